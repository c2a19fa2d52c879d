"""Patterns in two colours: the four textures of the classes, and plain noise.

A pattern is a map H W of weights 0 to 256: how much of the second colour a pixel has.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bag_of_transfer.demo_world.dice import Dice
from bag_of_transfer.demo_world.geometry import SUB, Ints, Window, plane

__all__ = ["TEXTURES", "Texture", "smooth_noise"]

Texture = Callable[[Window, int, int, Dice], Ints]
FULL = 256


def _thrown_plane(window: Window, period: int, angle: int, dice: Dice) -> tuple[Ints, Ints]:
    """Return turned coordinates (sub) with a random origin."""
    shift_x, shift_y = dice.below(16 * period), dice.below(16 * period)
    return plane(window, window.left * SUB - shift_x, window.top * SUB - shift_y, angle)


def _weight(inside: NDArray[np.bool_]) -> Ints:
    return inside.astype(np.int32) * FULL


def striped(window: Window, period: int, angle: int, dice: Dice) -> Ints:
    """Return parallel bands, with ``period`` (sub) from band to band."""
    u, _ = _thrown_plane(window, period, angle, dice)
    return _weight(u % period < period * dice.between(40, 60) // 100)


def checked(window: Window, period: int, angle: int, dice: Dice) -> Ints:
    """Return a chequer board, with two fields per ``period`` (sub)."""
    u, v = _thrown_plane(window, period, angle, dice)
    return ((u * 2 // period + v * 2 // period) & 1) * FULL


def dotted(window: Window, period: int, angle: int, dice: Dice) -> Ints:
    """Return round dots in staggered rows, with ``period`` (sub) from dot to dot."""
    u, v = _thrown_plane(window, period, angle, dice)
    row = v // period
    du = (u + (row & 1) * (period // 2)) % period - period // 2
    dv = v - row * period - period // 2
    radius = period * dice.between(30, 38) // 100
    return _weight(du * du + dv * dv <= radius * radius)


def smooth_noise(window: Window, period: int, angle: int, dice: Dice) -> Ints:
    """Return random heights 0 to 255 on a grid of ``period`` (sub), linear in between; H W."""
    u, v = _thrown_plane(window, period, angle, dice)
    u, v = u - u.min(), v - v.min()
    i, j = v // period, u // period
    fv, fu = (v - i * period) * FULL // period, (u - j * period) * FULL // period
    grid = dice.field((int(i.max()) + 2, int(j.max()) + 2), FULL)
    top = grid[i, j] * (FULL - fu) + grid[i, j + 1] * fu
    low = grid[i + 1, j] * (FULL - fu) + grid[i + 1, j + 1] * fu
    return (top * (FULL - fv) + low * fv) >> 16


def blotched(window: Window, period: int, angle: int, dice: Dice) -> Ints:
    """Return irregular patches, half of the area in each colour."""
    height = smooth_noise(window, period * 2 // 3, angle, dice)
    # A steep ramp instead of a threshold keeps the patches' edges soft.
    return np.clip((height - 128) * 8 + FULL // 2, 0, FULL)


TEXTURES: dict[str, Texture] = {
    "striped": striped,
    "checked": checked,
    "dotted": dotted,
    "blotched": blotched,
}
