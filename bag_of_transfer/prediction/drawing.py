"""Draw boxes, masks and captions on pictures, with letters and lines in proportion to the picture.

No function changes its arguments.  Each returns a new picture in RGB whose upper left part is the
image itself: captions and legends are added below it.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bag_of_transfer.prediction.colours import DARK, LIGHT, Colour, class_colours, readable_on
from bag_of_transfer.prediction.tags import overlaps, place_tags

__all__ = [
    "MASK_WEIGHT",
    "enlarged",
    "fitted",
    "font_px",
    "line_px",
    "with_boxes",
    "with_legend",
    "with_lines",
    "with_mask",
]

# The sizes below were chosen by looking at pictures of 32 to 4000 pixels.
MIN_SIDE_PX = 240  # letters on a smaller picture would cover what they name
MIN_FONT_PX, SMALLEST_FONT_PX = 12, 9
CROWDED = (1, 0.85, 0.7)  # of the letters' size, tried until no tag covers another
FONT_SHARE = 1 / 40  # of the geometric mean of the sides
MASK_WEIGHT = 0.55  # share of the class's colour; the rest is the image

Font = ImageFont.FreeTypeFont
LegendEntry = tuple[Colour | None, str]


class _Tag(NamedTuple):
    place: tuple[int, int, int, int]
    text: str
    font: Font
    pad: int


def enlarged(image: Image.Image, min_side_px: int = MIN_SIDE_PX) -> tuple[Image.Image, int]:
    """Repeat the pixels of a small image until its shorter side has ``min_side_px``.

    Returns:
        The picture in RGB and the whole number by which lengths were multiplied.
    """
    factor = max(1, -(-min_side_px // min(image.size)))
    size = (image.width * factor, image.height * factor)
    return image.convert("RGB").resize(size, Image.Resampling.NEAREST), factor


def font_px(size: tuple[int, int]) -> int:
    """Return the height of letters for a picture of ``size`` (width, height), in pixels."""
    return max(MIN_FONT_PX, round(FONT_SHARE * (size[0] * size[1]) ** 0.5))


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
) -> Image.Image:
    """Draw boxes with the names of their classes and their scores, if there are any.

    A caption touches its box, see :func:`~bag_of_transfer.prediction.tags.place_tags`; it never
    leaves the picture.  The boxes with the highest scores are drawn last, on top, and captions lie
    above all boxes.

    Args:
        image: Any size; a small one is enlarged, see :func:`enlarged`.
        boxes_xyxy: N x 4, in pixels of ``image``.
        labels: N indices into ``classes``.
        classes: Names in label order.
        scores: N, in [0, 1]; None for true boxes.
        min_side_px: See :func:`enlarged`.
    """
    picture, factor = enlarged(image, min_side_px)
    colours = class_colours(classes)
    order = range(len(labels)) if scores is None else np.argsort(-np.asarray(scores), kind="stable")
    corners = [_corners(factor * boxes_xyxy[index], picture) for index in order]
    chosen = [colours[labels[index]] or LIGHT for index in order]
    draw, width = ImageDraw.Draw(picture), line_px(picture.size)
    for box, colour in reversed(list(zip(corners, chosen, strict=True))):
        draw.rectangle(box, outline=colour, width=width)
    captions = [classes[labels[i]] + (f" {scores[i]:.2f}" if scores else "") for i in order]
    _draw_tags(picture, corners, captions, chosen)
    return picture


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


def _draw_tags(
    picture: Image.Image,
    corners: Sequence[tuple[int, int, int, int]],
    captions: Sequence[str],
    colours: Sequence[Colour],
) -> None:
    """Write each box's caption, the first last; letters are smaller where tags are crowded."""
    draw, size = ImageDraw.Draw(picture), font_px(picture.size)
    best: tuple[int, list[_Tag]] | None = None
    for share in CROWDED:
        letters = max(SMALLEST_FONT_PX, round(share * size))
        pad = max(1, letters // 6)
        texts = [fitted(caption, letters, picture.width - 2 * pad) for caption in captions]
        sizes = [(round(f.getlength(t)) + 2 * pad, round(1.2 * f.size)) for t, f in texts]
        places = place_tags(corners, sizes, picture.size)
        array = np.array(places).reshape(-1, 4)
        covered = int(np.triu(overlaps(array, array), 1).sum())
        tags = [_Tag(place, *text, pad) for place, text in zip(places, texts, strict=True)]
        if best is None or covered < best[0]:
            best = covered, tags
        if not covered:
            break
    for tag, colour in reversed(list(zip(best[1] if best else [], colours, strict=True))):
        left, top, right, bottom = tag.place
        draw.rectangle((left, top, right - 1, bottom - 1), fill=colour)
        at = (left + tag.pad, (top + bottom) / 2)
        draw.text(at, tag.text, readable_on(colour), tag.font, anchor="lm")


def _corners(box: np.ndarray, picture: Image.Image) -> tuple[int, int, int, int]:
    left, right = sorted(_inside(float(x), picture.width) for x in (box[0], box[2]))
    top, bottom = sorted(_inside(float(y), picture.height) for y in (box[1], box[3]))
    return left, top, right, bottom


def _inside(position: float, length: int) -> int:
    return min(max(round(position), 0), length - 1)


def fitted(text: str, size: int, width: int) -> tuple[str, Font]:
    """Make letters smaller, then drop letters, until the text is not wider than ``width``.

    Returns:
        The text and the font to write it with, of ``size`` pixels or less.
    """
    font = _font(size)
    while font.getlength(text) > width and font.size > SMALLEST_FONT_PX:
        font = _font(int(font.size) - 1)
    while font.getlength(text) > width and len(text) > 1:
        text = text.removesuffix("...")[:-1] + "..." if len(text) > 4 else text[:-1]
    return text, font


@lru_cache(maxsize=64)
def _font(size: int) -> Font:
    # Pillow's own font has Latin letters only; matplotlib's has Greek and Cyrillic as well.
    path = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
    return ImageFont.truetype(str(path), size)


def _extended(picture: Image.Image, height: int) -> Image.Image:
    sheet = Image.new("RGB", (picture.width, picture.height + height), LIGHT)
    sheet.paste(picture, (0, 0))
    return sheet
