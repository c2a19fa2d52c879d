"""Silhouettes: the six shapes of the classes, and simpler ones for clutter.

Each function takes an object's own coordinates (H W, the radius is 1024) and ``build``, a number
in [0, 1024) that varies the proportions, and returns True inside the shape (H W).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bag_of_transfer.demo_world.geometry import UNIT, Ints, cos_sin

__all__ = ["CLUTTER_SHAPES", "OBJECT_SHAPES", "Mask", "Shape"]

Mask = NDArray[np.bool_]
Shape = Callable[[Ints, Ints, int], Mask]


def _between(low: int, high: int, build: int) -> int:
    return low + ((high - low) * build >> 10)


def _disc(u: Ints, v: Ints, radius: int) -> Mask:
    return u * u + v * v <= radius * radius


def _ellipse(u: Ints, v: Ints, a: int, b: int) -> Mask:
    # Divided first: with a * a * b * b the squares would not fit into 32 bits.
    u, v = u * UNIT // a, v * UNIT // b
    return u * u + v * v <= UNIT * UNIT


def star(u: Ints, v: Ints, build: int) -> Mask:
    """Return a star with five points: inside at least four of a pentagon's five edges."""
    edge = _between(330, 400, build) << 14
    inside = np.zeros(u.shape, np.int32)
    for point in range(5):
        cos, sin = cos_sin((256 * point + 2) // 5)
        inside += u * cos + v * sin <= edge
    return (inside >= 4) & _disc(u, v, UNIT)


def ring(u: Ints, v: Ints, build: int) -> Mask:
    """Return a disc with a round hole."""
    return _disc(u, v, UNIT) & ~_disc(u, v, _between(340, 520, build))


def cross(u: Ints, v: Ints, build: int) -> Mask:
    """Return two bars at a right angle."""
    u, v = np.abs(u), np.abs(v)
    return (np.minimum(u, v) <= _between(270, 370, build)) & (np.maximum(u, v) <= 960)


def crescent(u: Ints, v: Ints, build: int) -> Mask:
    """Return a disc without the part inside another disc."""
    return _disc(u, v, UNIT) & ~_disc(u - _between(520, 640, build), v, 760)


def fish(u: Ints, v: Ints, build: int) -> Mask:
    """Return an oval body with a forked tail."""
    body = _ellipse(u - 260, v, 760, _between(420, 540, build))
    tail = (u >= -UNIT) & (u <= -300) & (np.abs(v) <= (-300 - u) * 9 // 10 + 90)
    fork = u + UNIT < 260 - np.abs(v)
    return body | (tail & ~fork)


def arrow(u: Ints, v: Ints, build: int) -> Mask:
    """Return a triangular head on a shaft."""
    neck = _between(-60, 200, build)
    head = (u >= neck) & (np.abs(v) <= (UNIT - u) * 9 // 10)
    shaft = (u >= -UNIT) & (u <= neck) & (np.abs(v) <= 270)
    return head | shaft


def oval(u: Ints, v: Ints, build: int) -> Mask:
    """Return an ellipse, from round to slim."""
    return _ellipse(u, v, 940, _between(360, 940, build))


def box(u: Ints, v: Ints, build: int) -> Mask:
    """Return a rectangle, from square to slim."""
    return (np.abs(u) <= 860) & (np.abs(v) <= _between(260, 860, build))


def wedge(u: Ints, v: Ints, build: int) -> Mask:
    """Return a triangle."""
    return (u >= -700) & (np.abs(v) <= (UNIT - u) * _between(300, 600, build) >> 10)


def dome(u: Ints, v: Ints, build: int) -> Mask:
    """Return a disc with one side cut off straight."""
    return _disc(u, v, 940) & (u <= _between(-200, 400, build))


OBJECT_SHAPES: dict[str, Shape] = {
    "star": star,
    "ring": ring,
    "cross": cross,
    "crescent": crescent,
    "fish": fish,
    "arrow": arrow,
}
CLUTTER_SHAPES: dict[str, Shape] = {"oval": oval, "box": box, "wedge": wedge, "dome": dome}
