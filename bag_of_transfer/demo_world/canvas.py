"""A picture while it is drawn: colours, and the object that owns each pixel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bag_of_transfer.demo_world.dice import Dice
from bag_of_transfer.demo_world.geometry import SUB, UNIT, Ints, Pose, Window
from bag_of_transfer.demo_world.shapes import Mask, Shape
from bag_of_transfer.demo_world.textures import TEXTURES, smooth_noise

__all__ = ["NOBODY", "Canvas", "Coat", "period_for", "put", "thrown_coat"]

NOBODY = 0


class Canvas:
    """A square picture: ``rgb`` H W 3 in [0, 255], ``owner`` H W (0: no object)."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rgb: Ints = np.zeros((size, size, 3), np.int32)
        self.owner: NDArray[np.uint8] = np.zeros((size, size), np.uint8)

    @property
    def window(self) -> Window:
        """Return a window of the whole picture."""
        return Window(0, 0, self.size, self.size)

    def paint(self, mask: Mask, window: Window, rgb: Ints, owner: int) -> None:
        """Put ``rgb`` where ``mask`` is True; both cover ``window``, also outside the picture."""
        inside = window.clipped(self.size)
        rows = slice(inside.top - window.top, inside.bottom - window.top)
        columns = slice(inside.left - window.left, inside.right - window.left)
        area = slice(inside.top, inside.bottom), slice(inside.left, inside.right)
        visible = mask[rows, columns]
        np.copyto(self.rgb[area], rgb[rows, columns], where=visible[..., None])
        np.copyto(self.owner[area], np.uint8(owner), where=visible)

    def visible(self, owner: int) -> Mask:
        """Return where ``owner`` is visible, H W."""
        return self.owner == owner


@dataclass(frozen=True)
class Coat:
    """A texture (None: plain), its period (sub) and its two colours."""

    texture: str | None
    period: int
    angle: int
    colours: tuple[tuple[int, ...], tuple[int, ...]]

    def over(self, window: Window, dice: Dice) -> Ints:
        """Return the coat's colours over ``window``, H W 3."""
        if self.texture is None:  # cloudy, so that plain objects are not flat
            weight = smooth_noise(window, self.period * 4, self.angle, dice)
        else:
            weight = TEXTURES[self.texture](window, self.period, self.angle, dice)
        first, second = (np.array(colour, np.int32) for colour in self.colours)
        return first + ((second - first) * weight[..., None] >> 8)


def _luma(colour: tuple[int, ...]) -> int:
    # Weights of ITU-R BT.601 in 1/256.
    return (77 * colour[0] + 150 * colour[1] + 29 * colour[2]) >> 8


def _colour(dice: Dice) -> tuple[int, ...]:
    """Return a random grey, tinted by up to 60 of 255 per channel."""
    grey = dice.between(30, 225)
    return tuple(min(max(grey + dice.between(-60, 60), 0), 255) for _ in range(3))


def _two_colours(dice: Dice, low: int, high: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return two random colours whose brightness differs by ``low`` to ``high``."""
    while True:
        first, second = _colour(dice), _colour(dice)
        if low <= abs(_luma(first) - _luma(second)) <= high:
            return first, second


def thrown_coat(
    dice: Dice, texture: str | None, period: int, angle: int, contrast: tuple[int, int]
) -> Coat:
    """Return ``texture`` in two random colours whose brightness differs by ``contrast``."""
    return Coat(texture, period, angle, _two_colours(dice, *contrast))


def put(canvas: Canvas, dice: Dice, shape: Shape, coat: Coat, pose: Pose, owner: int) -> int:
    """Paint an object and return its area in pixels, including parts outside the picture."""
    window = pose.window()
    u, v = pose.own_coordinates()
    build = dice.below(UNIT)
    mask = shape(u, v, build)
    core = shape(u * 9 >> 3, v * 9 >> 3, build)
    # Shading: lighter to one side of the object, by up to 40 of 255.
    shade = (u * dice.between(-40, 40) + v * dice.between(-40, 40)) >> 10
    # A dark rim: with only stripes and dots, even people do not see the outline.
    rim = np.array(min(coat.colours, key=_luma), np.int32) >> 2
    rgb = np.where(core[..., None], coat.over(window, dice), rim)
    rgb = np.clip(rgb + shade[..., None], 0, 255)
    canvas.paint(mask, window, rgb, owner)
    return int(mask.sum())


def period_for(dice: Dice, radius: int) -> int:
    """Return a random period (sub) of a texture that grows with the object's ``radius``."""
    return max(radius * dice.between(38, 54) // 100, 5 * SUB)
