"""Draw pictures of data with their labels, as training reads them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from bag_of_transfer.data_checks.splits import Box, Example
from bag_of_transfer.engine.data.image_reader import decode_file
from bag_of_transfer.engine.data.mask_reader import IGNORED, labels_of, read_mask
from bag_of_transfer.engine.printable import printable
from bag_of_transfer.pages.pictures import picture_uri
from bag_of_transfer.prediction.colours import class_colours
from bag_of_transfer.prediction.drawing import with_boxes, with_legend, with_mask

__all__ = ["PICTURE_PX", "around", "drawn"]

PICTURE_PX = 420  # about a phone's width
SMALLEST_VIEW_PX = 64  # around a small box


def drawn(
    example: Example,
    classes: Sequence[str],
    boxes: Sequence[Box] | None = None,
    close: bool = False,
) -> str | None:
    """Return a picture with its labels as a data URI; None if a file cannot be read.

    Args:
        example: The image and its truth.
        classes: Names in label order.
        boxes: The boxes to draw; None: all.
        close: Show only the surroundings of the boxes.
    """
    names = [printable(name, kept="") for name in classes]
    try:
        image = Image.fromarray(decode_file(example.path))
        if example.mask is not None:
            picture = _with_labels(image, example, names)
        else:
            shown = example.boxes or () if boxes is None else boxes
            picture = _with_boxes(image, shown, names, close)
    except Exception:  # decoders raise whatever they like, and a file may have gone
        return None
    return picture_uri(picture, PICTURE_PX)


def around(boxes: Sequence[Box], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the part of an image that shows boxes closely: left, top, right, bottom."""
    corners = np.array([box.xyxy for box in boxes])
    low, high = corners[:, :2].min(0), corners[:, 2:].max(0)
    middle, half = (low + high) / 2, max(SMALLEST_VIEW_PX / 2, *(1.5 * (high - low)))
    left, top = np.maximum(middle - half, 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(middle + half), size).astype(int).tolist()
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _with_boxes(
    image: Image.Image, boxes: Sequence[Box], names: Sequence[str], close: bool
) -> Image.Image:
    left, top, *_ = part = around(boxes, image.size) if close and boxes else (0, 0, *image.size)
    image = image.crop(part)
    factor = min(1.0, PICTURE_PX / max(image.size))  # letters are readable in the small picture
    small = image.resize([max(1, round(factor * side)) for side in image.size])
    corners = np.array([box.xyxy for box in boxes]).reshape(-1, 4) - [left, top, left, top]
    labels = [box.label for box in boxes]
    times = max(1, PICTURE_PX // max(small.size))  # else lines and letters would be scaled down
    return with_boxes(small, factor * corners, labels, names, min_side_px=times * min(small.size))


def _with_labels(image: Image.Image, example: Example, names: Sequence[str]) -> Image.Image:
    labels = labels_of(read_mask(str(example.mask)), example.numbering)
    picture = with_mask(image, labels, names)
    picture.thumbnail((PICTURE_PX, PICTURE_PX))
    colours = class_colours(names)
    present = [label for label in np.unique(labels).tolist() if 0 <= label < len(names)]
    entries = [(colours[label], names[label]) for label in present if label != IGNORED]
    return with_legend(picture, entries)
