"""Place the tags of boxes so that they cover each other as little as possible."""

from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["Corners", "Size", "overlaps", "place_tags"]

Corners = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are outside
Size = tuple[int, int]  # width, height


def place_tags(boxes: Sequence[Corners], sizes: Sequence[Size], picture: Size) -> list[Corners]:
    """Choose a place for each box's tag, the first box first.

    A tag touches its box and lies inside the picture: above the box where there is room, else
    inside.  Where that is taken, it moves along the box, and takes the first free place, or the
    one where it covers the fewest pixels of other tags.  The same boxes give the same places.

    Args:
        boxes: Of the picture; those that matter most come first.
        sizes: The size of each box's tag, at most the picture's.
        picture: The size of the picture.
    """
    placed = np.zeros((len(boxes), 4), int)
    for index, (box, size) in enumerate(zip(boxes, sizes, strict=True)):
        places = np.array(list(dict.fromkeys(_places(box, size, picture))))
        covered = overlaps(places, placed[:index]).sum(1)
        placed[index] = places[covered.argmin()]
    return [(left, top, right, bottom) for left, top, right, bottom in placed.tolist()]


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the pixels that are in both, N x M, of corners N x 4 and M x 4."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.asarray((high - low).clip(0).prod(-1))


def _places(box: Corners, size: Size, picture: Size) -> Iterator[Corners]:
    """Yield places that touch the box, the best first."""
    (left, top, right, bottom), (width, height) = box, size
    along = [left, right - width, *range(left, right - width, max(1, width // 2))]
    down = [top, bottom - height, *range(top, bottom - height, max(1, height // 2))]
    above = [(x, top - height) for x in along if top >= height]
    below = [(x, bottom) for x in along if bottom + height <= picture[1]]
    inside = [(x, y) for y in down for x in along[:2]]
    beside = [(x, y) for x in (right, left - width) for y in down]
    beside = [(x, y) for x, y in beside if 0 <= x <= picture[0] - width]
    for x, y in [*above[:1], (left, top), *above[1:], *below, *inside, *beside]:
        x = max(0, min(x, picture[0] - width))
        y = max(0, min(y, picture[1] - height))
        yield x, y, x + width, y + height
