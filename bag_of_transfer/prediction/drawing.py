"""Draw boxes, masks and captions on pictures, with letters and lines in proportion to the picture.

No function changes its arguments.  Each returns a new picture in RGB whose upper left part is the
image itself: captions and legends are added below it.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from bag_of_transfer.prediction.captions import Font, can_be_read, fitted, font_px, tags_of, write
from bag_of_transfer.prediction.colours import DARK, LIGHT, Colour, class_colours

__all__ = [
    "MASK_WEIGHT",
    "enlarged",
    "line_px",
    "with_boxes",
    "with_legend",
    "with_lines",
    "with_mask",
]

MIN_SIDE_PX = 240  # letters on a smaller picture would cover what they name
MASK_WEIGHT = 0.55  # share of the class's colour; the rest is the image

LegendEntry = tuple[Colour | None, str]


def enlarged(image: Image.Image, min_side_px: int = MIN_SIDE_PX) -> tuple[Image.Image, int]:
    """Repeat the pixels of a small image until its shorter side has ``min_side_px``.

    Returns:
        The picture in RGB and the whole number by which lengths were multiplied.
    """
    factor = max(1, -(-min_side_px // min(image.size)))
    size = (image.width * factor, image.height * factor)
    return image.convert("RGB").resize(size, Image.Resampling.NEAREST), factor


def line_px(size: tuple[int, int]) -> int:
    """Return the width of a box's line for a picture of ``size`` (width, height), in pixels."""
    return max(2, font_px(size) // 6)


def with_boxes(
    image: Image.Image,
    boxes_xyxy: np.ndarray,
    labels: Sequence[int],
    classes: Sequence[str],
    scores: Sequence[float] | None = None,
    min_side_px: int = MIN_SIDE_PX,
    colours: Sequence[Colour] | None = None,
) -> Image.Image:
    """Draw boxes with the names of their classes and their scores, if there are any.

    A caption touches its box, see :func:`~bag_of_transfer.prediction.tags.place_tags`; it never
    leaves the picture.  The boxes with the highest scores are drawn last, on top, and captions lie
    above all boxes.  Where they would cover each other or most of the picture, they are the scores
    alone, and a legend below names the colours.

    Args:
        image: Any size; a small one is enlarged, see :func:`enlarged`.
        boxes_xyxy: N x 4, in pixels of ``image``.
        labels: N indices into ``classes``.
        classes: Names in label order.
        scores: N, in [0, 1]; None for true boxes.
        min_side_px: See :func:`enlarged`.
        colours: N, of the boxes, which the caller explains; None: those of their classes.
    """
    picture, factor = enlarged(image, min_side_px)
    of_classes = class_colours(classes)
    order = range(len(labels)) if scores is None else np.argsort(-np.asarray(scores), kind="stable")
    corners = [_corners(factor * boxes_xyxy[index], picture) for index in order]
    of_boxes = colours or [of_classes[label] or LIGHT for label in labels]
    chosen = [of_boxes[index] for index in order]
    draw, width = ImageDraw.Draw(picture), line_px(picture.size)
    for box, colour in reversed(list(zip(corners, chosen, strict=True))):
        draw.rectangle(box, outline=colour, width=width)
    names = [classes[labels[index]] for index in order]
    numbers = [f"{scores[index]:.2f}" if scores else "" for index in order]
    captions = [f"{name} {number}".rstrip() for name, number in zip(names, numbers, strict=True)]
    tags = tags_of(corners, captions, chosen, picture.size)
    if can_be_read(tags, picture.size):
        write(tags, picture)
        return picture
    write(tags_of(corners, numbers, chosen, picture.size), picture)
    known = dict(zip(names, chosen, strict=True))
    counts = [(known[name], f"{name} {count}") for name, count in Counter(names).most_common()]
    return picture if colours else with_legend(picture, counts)


def with_mask(
    image: Image.Image, mask: np.ndarray, classes: Sequence[str], min_side_px: int = MIN_SIDE_PX
) -> Image.Image:
    """Blend each class's colour over its pixels; background and unknown labels stay unchanged.

    Args:
        image: Any size; the picture is enlarged like in :func:`with_boxes`.
        mask: Labels H W, of the image's size.
        classes: Names in label order.
        min_side_px: See :func:`enlarged`.
    """
    pixels = np.asarray(image.convert("RGB"))
    painted = pixels.copy()
    for label, colour in enumerate(class_colours(classes)):
        if colour is not None:
            chosen = mask == label
            mixed = (1 - MASK_WEIGHT) * pixels[chosen] + MASK_WEIGHT * np.array(colour)
            painted[chosen] = np.rint(mixed).astype(np.uint8)
    return enlarged(Image.fromarray(painted), min_side_px)[0]


def with_legend(picture: Image.Image, entries: Sequence[LegendEntry]) -> Image.Image:
    """Add a legend below: coloured squares with names; colour None gives an empty square."""
    size = font_px(picture.size)
    cell, gap = round(1.5 * size), size // 2
    placed: list[tuple[int, int, Colour | None, str, Font]] = []
    left, row = gap, 0
    for colour, text in entries:
        text, font = fitted(text, size, picture.width - cell - 2 * gap)
        width = cell + round(font.getlength(text)) + 2 * gap
        if left > gap and left + width - gap > picture.width:
            left, row = gap, row + 1
        placed.append((left, row, colour, text, font))
        left += width
    sheet = _extended(picture, (row + 1) * cell + gap if placed else 0)
    draw = ImageDraw.Draw(sheet)
    for left, row, colour, text, font in placed:
        top = picture.height + gap // 2 + row * cell
        draw.rectangle((left, top + gap // 2, left + size, top + gap // 2 + size), colour, DARK)
        draw.text((left + cell, top + gap // 2 + size // 2), text, DARK, font, anchor="lm")
    return sheet


def with_lines(picture: Image.Image, lines: Sequence[str]) -> Image.Image:
    """Add lines of text below; the first line, the answer, is the largest."""
    size = font_px(picture.size)
    rows = [
        fitted(line, round(1.3 * size) if index == 0 else size, picture.width - size)
        for index, line in enumerate(lines)
    ]
    sheet = _extended(picture, sum(round(1.4 * font.size) for _, font in rows) + size // 2)
    draw, top = ImageDraw.Draw(sheet), picture.height + size // 4
    for text, font in rows:
        draw.text((size // 2, top + 0.7 * font.size), text, DARK, font, anchor="lm")
        top += round(1.4 * font.size)
    return sheet


def _corners(box: np.ndarray, picture: Image.Image) -> tuple[int, int, int, int]:
    left, right = sorted(_inside(float(x), picture.width) for x in (box[0], box[2]))
    top, bottom = sorted(_inside(float(y), picture.height) for y in (box[1], box[3]))
    return left, top, right, bottom


def _inside(position: float, length: int) -> int:
    return min(max(round(position), 0), length - 1)


def _extended(picture: Image.Image, height: int) -> Image.Image:
    sheet = Image.new("RGB", (picture.width, picture.height + height), LIGHT)
    sheet.paste(picture, (0, 0))
    return sheet
