"""Position and rotation of objects, in fixed-point integers.

Units: positions and lengths on the picture in 1/16 pixel ("sub", ``SUB`` to the pixel);
an object's own coordinates in 1/1024 of its radius ("unit", ``UNIT`` to the radius);
angles in 1/256 of a full turn; cosine and sine in 1/2^14.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bag_of_transfer.demo_world.dice import Dice

__all__ = ["SUB", "UNIT", "Ints", "Pose", "Window", "cos_sin", "plane"]

# 32 bits are twice as fast as 64 here; comments say why values stay below 2^31.
Ints = NDArray[np.int32]

SUB = 16
UNIT = 1024
_TURN = 256
_TRIG_BITS = 14
# round(2^30 cos a) and round(2^30 sin a) for a = 2 pi / 256.
_STEP_COS, _STEP_SIN, _STEP_BITS = 1073418433, 26350943, 30


def _circle() -> list[tuple[int, int]]:
    """Return the points of the circle, each rotated from the last; Python integers are exact."""
    cos, sin, points = 1 << _STEP_BITS, 0, []
    half, shift = 1 << (_STEP_BITS - 1), _STEP_BITS - _TRIG_BITS
    for _ in range(_TURN):
        points.append(((cos + (1 << shift >> 1)) >> shift, (sin + (1 << shift >> 1)) >> shift))
        cos, sin = (
            (cos * _STEP_COS - sin * _STEP_SIN + half) >> _STEP_BITS,
            (sin * _STEP_COS + cos * _STEP_SIN + half) >> _STEP_BITS,
        )
    return points


_CIRCLE = _circle()


def cos_sin(angle: int) -> tuple[int, int]:
    """Return cosine and sine of ``angle`` (256 to the turn), times 2^14."""
    return _CIRCLE[angle % _TURN]


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels, 0-based, right and bottom excluded; may reach outside."""

    left: int
    top: int
    right: int
    bottom: int

    def clipped(self, size: int) -> "Window":
        """Return the part inside a picture of ``size`` x ``size`` pixels (maybe empty)."""
        left, top = min(max(self.left, 0), size), min(max(self.top, 0), size)
        right, bottom = min(max(self.right, left), size), min(max(self.bottom, top), size)
        return Window(left, top, right, bottom)


def plane(window: Window, cx: int, cy: int, angle: int) -> tuple[Ints, Ints]:
    """Return turned coordinates of every pixel centre of ``window``, in sub.

    ``cx``, ``cy`` (sub) is the point that becomes (0, 0).  Both results are H W.
    """
    # |dx| < 2^13 sub (512 px) and |cos| <= 2^14: each product is below 2^27.
    cos, sin = cos_sin(angle)
    dx = np.arange(window.left, window.right, dtype=np.int32)[None, :] * SUB + SUB // 2 - cx
    dy = np.arange(window.top, window.bottom, dtype=np.int32)[:, None] * SUB + SUB // 2 - cy
    return (dx * cos + dy * sin) >> _TRIG_BITS, (dy * cos - dx * sin) >> _TRIG_BITS


@dataclass(frozen=True)
class Pose:
    """Centre and radii (sub), turn (256), shear (unit), mirrored or not."""

    cx: int
    cy: int
    rx: int
    ry: int
    angle: int
    shear: int
    mirrored: bool

    @classmethod
    def thrown(cls, dice: Dice, cx: int, cy: int, radius: int) -> "Pose":
        """Return a random pose of about ``radius`` (sub).

        It is turned by up to 28 degrees, stretched to an aspect of 0.82 to 1.22, sheared, and
        mirrored in half of the cases.
        """
        stretch = dice.between(-100, 100)
        return cls(
            cx=cx,
            cy=cy,
            rx=radius * (UNIT + stretch) // UNIT,
            ry=radius * (UNIT - stretch) // UNIT,
            angle=dice.between(-20, 20),
            shear=dice.between(-130, 130),
            mirrored=dice.chance(50),
        )

    @property
    def radius(self) -> int:
        """Return the larger radius, in sub."""
        return max(self.rx, self.ry)

    def window(self) -> Window:
        """Return a window that contains every point within radius 1.2, also after the shear."""
        reach = self.radius * 3 // 2
        return Window(
            (self.cx - reach) // SUB,
            (self.cy - reach) // SUB,
            (self.cx + reach) // SUB + 1,
            (self.cy + reach) // SUB + 1,
        )

    def own_coordinates(self) -> tuple[Ints, Ints]:
        """Return each window pixel's place in the object's own coordinates (unit), H W."""
        x, y = plane(self.window(), self.cx, self.cy, self.angle)  # below 2^13: 2^23 with UNIT
        v = y * UNIT // self.ry
        u = x * UNIT // self.rx + (v * self.shear >> 10)
        return (-u if self.mirrored else u), v
