"""Choose letters for captions, and write the tags of boxes where they hide little."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bag_of_transfer.prediction.colours import Colour, readable_on
from bag_of_transfer.prediction.tags import Corners, Size, overlaps, place_tags

__all__ = ["Font", "Tag", "can_be_read", "fitted", "font_px", "tags_of", "write"]

# The sizes and shares below were chosen by looking at pictures of 32 to 4000 pixels.
MIN_FONT_PX, SMALLEST_FONT_PX = 12, 9
CROWDED = (1, 0.85, 0.7)  # of the letters' size, tried until no tag covers another
FONT_SHARE = 1 / 40  # of the geometric mean of the sides
MOST_HIDDEN = 0.03  # share of the tags' pixels that other tags cover
MOST_TAGGED = 0.3  # share of the picture under tags

Font = ImageFont.FreeTypeFont


class Tag(NamedTuple):
    """A box's caption: its place, text, letters, the room around them, and its ground."""

    place: Corners
    text: str
    font: Font
    pad: int
    colour: Colour


def font_px(size: tuple[int, int]) -> int:
    """Return the height of letters for a picture of ``size`` (width, height), in pixels."""
    return max(MIN_FONT_PX, round(FONT_SHARE * (size[0] * size[1]) ** 0.5))


def tags_of(
    boxes: Sequence[Corners], captions: Sequence[str], colours: Sequence[Colour], size: Size
) -> list[Tag]:
    """Return the tags of boxes, with smaller letters where tags are crowded.

    Args:
        boxes: Those that matter most come first.
        captions: One per box; an empty one gives no tag.
        colours: One per box.
        size: The picture's.
    """
    shown = [index for index, caption in enumerate(captions) if caption]
    best: tuple[int, list[Tag]] = (0, [])
    for share in CROWDED if shown else ():
        letters = max(SMALLEST_FONT_PX, round(share * font_px(size)))
        pad = max(1, letters // 6)
        texts = [fitted(captions[index], letters, size[0] - 2 * pad) for index in shown]
        sizes = [(round(f.getlength(t)) + 2 * pad, round(1.2 * f.size)) for t, f in texts]
        places = place_tags([boxes[index] for index in shown], sizes, size)
        covered = _covered(places)
        if not best[1] or covered < best[0]:
            rows = zip(places, texts, shown, strict=True)
            best = covered, [Tag(at, *text, pad, colours[index]) for at, text, index in rows]
        if not covered:
            break
    return best[1]


def can_be_read(tags: Sequence[Tag], size: Size) -> bool:
    """Return whether tags hide little of each other and of a picture of ``size``."""
    places = [tag.place for tag in tags]
    area = sum((right - left) * (bottom - top) for left, top, right, bottom in places)
    return _covered(places) <= MOST_HIDDEN * area and area <= MOST_TAGGED * size[0] * size[1]


def write(tags: Sequence[Tag], picture: Image.Image) -> None:
    """Write tags onto a picture, the first last."""
    draw = ImageDraw.Draw(picture)
    for tag in reversed(tags):
        left, top, right, bottom = tag.place
        draw.rectangle((left, top, right - 1, bottom - 1), fill=tag.colour)
        at = (left + tag.pad, (top + bottom) / 2)
        draw.text(at, tag.text, readable_on(tag.colour), tag.font, anchor="lm")


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


def _covered(places: Sequence[Corners]) -> int:
    """Return how many pixels of places are in others, too."""
    array = np.array(places).reshape(-1, 4)
    return int(np.triu(overlaps(array, array), 1).sum())
