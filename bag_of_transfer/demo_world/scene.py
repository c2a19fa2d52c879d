"""One picture of the world: background, clutter, objects, occluders, and light.

The shares and ranges were chosen by looking at the pictures; ``sets.py`` says how difficult the
result is.  Any change here changes the committed manifest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bag_of_transfer.demo_world.canvas import NOBODY, Canvas, period_for, put, thrown_coat
from bag_of_transfer.demo_world.classes import CLASSES, LOOK_ALIKES, Kind
from bag_of_transfer.demo_world.dice import Dice
from bag_of_transfer.demo_world.geometry import SUB, Ints, Pose, plane
from bag_of_transfer.demo_world.shapes import CLUTTER_SHAPES, OBJECT_SHAPES, Mask
from bag_of_transfer.demo_world.textures import TEXTURES, smooth_noise

__all__ = ["Picture", "Recipe", "Seen", "draw_picture"]

_TEXTURE_NAMES = tuple(TEXTURES)
# Difference in brightness between a coat's two colours, of 255.
_CONTRAST = (80, 190)
_FAINT = (10, 32)
# An occluder leaves at least this share of its object visible.
_LEFT_PERCENT = 60


@dataclass(frozen=True)
class Recipe:
    """What the pictures of one set have in common; ranges include both ends.

    Radii are in pixels; ``margin_px`` is the smallest distance of an object's centre to the edge.
    """

    size: int
    num_objects: tuple[int, int]
    radius_px: tuple[int, int]
    margin_px: int
    num_clutter: tuple[int, int]
    look_alike_percent: int
    num_occluders: tuple[int, int]


@dataclass(frozen=True)
class Seen:
    """An object in the finished picture.

    ``label`` counts from 0; ``mask`` H W has its visible pixels; ``area`` is its whole area in
    pixels, including hidden parts and those outside the picture.
    """

    label: int
    mask: Mask
    area: int

    @property
    def visible_percent(self) -> int:
        """Return the visible share of the object, 0 to 100."""
        return 100 * int(self.mask.sum()) // max(self.area, 1)


@dataclass(frozen=True)
class Picture:
    """RGB pixels, uint8 H W 3, and the objects in them."""

    rgb: NDArray[np.uint8]
    objects: tuple[Seen, ...]


def _backdrop(canvas: Canvas, dice: Dice, mask: Mask) -> None:
    """Cover ``mask`` with a background: clouds, or a texture of objects."""
    texture = dice.pick(_TEXTURE_NAMES) if dice.chance(25) else None
    coat = thrown_coat(dice, texture, dice.between(5 * SUB, 14 * SUB), dice.below(256), _FAINT)
    canvas.paint(mask, canvas.window, coat.over(canvas.window, dice), NOBODY)


def _background(canvas: Canvas, dice: Dice) -> None:
    """Paint two backdrops that meet in a random line."""
    _backdrop(canvas, dice, np.ones((canvas.size, canvas.size), np.bool_))
    cx, cy = (dice.between(canvas.size // 4, 3 * canvas.size // 4) * SUB for _ in range(2))
    beyond, _ = plane(canvas.window, cx, cy, dice.below(256))
    _backdrop(canvas, dice, beyond > 0)


def _contrast(texture: str | None) -> tuple[int, int]:
    return _FAINT if texture is None else _CONTRAST


def _clutter(canvas: Canvas, dice: Dice, recipe: Recipe) -> None:
    """Paint clutter: a simple shape, or a look-alike."""
    cx, cy = (dice.below(canvas.size * SUB) for _ in range(2))
    radius = dice.between(recipe.radius_px[0] * SUB // 2, recipe.radius_px[1] * SUB * 3 // 4)
    pose = Pose.thrown(dice, cx, cy, radius)
    texture: str | None
    if dice.chance(recipe.look_alike_percent):
        kind = dice.pick(LOOK_ALIKES)
        shape, texture = OBJECT_SHAPES[kind.shape], kind.texture
    else:
        shape = CLUTTER_SHAPES[dice.pick(tuple(CLUTTER_SHAPES))]
        texture = dice.pick((None, *_TEXTURE_NAMES))
    coat = thrown_coat(dice, texture, period_for(dice, radius), dice.below(256), _contrast(texture))
    put(canvas, dice, shape, coat, pose, NOBODY)


def _place(dice: Dice, recipe: Recipe, taken: list[Pose]) -> Pose:
    """Return a pose not too near the others: centres 0.7 of both radii apart, if possible."""
    low, high = recipe.margin_px * SUB, (recipe.size - recipe.margin_px) * SUB
    for _ in range(8):
        # The larger of two draws: small objects occur, but are not the rule.
        small, large = (radius * SUB for radius in recipe.radius_px)
        radius = max(dice.between(small, large), dice.between(small, large))
        pose = Pose.thrown(dice, dice.between(low, high), dice.between(low, high), radius)
        gaps = [
            10 * max(abs(pose.cx - p.cx), abs(pose.cy - p.cy)) - 7 * (pose.radius + p.radius)
            for p in taken
        ]
        if min(gaps, default=0) >= 0:
            break
    return pose


def _object(canvas: Canvas, dice: Dice, kind: Kind, pose: Pose, owner: int) -> int:
    period, angle = period_for(dice, pose.radius), pose.angle + dice.between(-16, 16)
    coat = thrown_coat(dice, kind.texture, period, angle, _CONTRAST)
    return put(canvas, dice, OBJECT_SHAPES[kind.shape], coat, pose, owner)


def _occluder(canvas: Canvas, dice: Dice, pose: Pose, owner: int, area: int) -> None:
    """Paint a box or oval over a part of an object, unless it would hide too much."""
    before = canvas.rgb.copy(), canvas.owner.copy()
    cx = pose.cx + dice.between(-pose.rx, pose.rx)
    cy = pose.cy + dice.between(-pose.ry, pose.ry)
    radius = pose.radius * dice.between(25, 50) // 100
    texture = dice.pick((None, *_TEXTURE_NAMES))
    coat = thrown_coat(dice, texture, period_for(dice, radius), dice.below(256), _contrast(texture))
    shape = CLUTTER_SHAPES[dice.pick(("box", "oval"))]
    put(canvas, dice, shape, coat, Pose.thrown(dice, cx, cy, radius), NOBODY)
    if 100 * int(canvas.visible(owner).sum()) < _LEFT_PERCENT * area:
        canvas.rgb, canvas.owner = before


def _blur(rgb: Ints, middle: int) -> Ints:
    """Return weighted means of neighbours, 1 : ``middle`` : 1, along both axes."""
    for axis in (0, 1):
        first, last = rgb.take([0], axis), rgb.take([-1], axis)
        wide = np.concatenate((first, rgb, last), axis)
        size = rgb.shape[axis]
        before, after = wide.take(range(size), axis), wide.take(range(2, size + 2), axis)
        rgb = (before + rgb * middle + after) // (middle + 2)
    return rgb


def _lit(canvas: Canvas, dice: Dice) -> NDArray[np.uint8]:
    """Return the picture as a camera sees it: blur, uneven light, contrast, noise."""
    rgb = _blur(canvas.rgb, dice.pick((2, 6, 6)))
    light = 150 + dice.below(90) + smooth_noise(canvas.window, canvas.size * SUB, 0, dice) // 3
    contrast, offset = dice.between(160, 256), dice.between(-30, 30)
    rgb = ((rgb - 128) * contrast >> 8) + 128 + offset
    noise = _grain(dice, canvas.size, dice.between(1, 7))
    return np.clip((rgb * light[..., None] >> 8) + noise, 0, 255).astype(np.uint8)


def _grain(dice: Dice, size: int, strength: int) -> Ints:
    """Return camera noise in [-2 ``strength``, 2 ``strength``], H W 3, mostly weak."""
    # One 30-bit draw per pixel holds six 5-bit numbers; the sum of two is triangular.
    bits = dice.field((size, size), 1 << 30)[..., None] >> np.array([0, 10, 20], np.int32)
    pairs = (bits & 31) + (bits >> 5 & 31) - 31
    return pairs * (2 * strength) // 31


def draw_picture(dice: Dice, recipe: Recipe, first_label: int) -> Picture:
    """Draw a picture; the first object has class ``first_label``, the others a random one."""
    canvas = Canvas(recipe.size)
    _background(canvas, dice)
    for _ in range(dice.between(*recipe.num_clutter)):
        _clutter(canvas, dice, recipe)
    num_objects = dice.between(*recipe.num_objects)
    labels = [first_label] + [dice.below(len(CLASSES)) for _ in range(num_objects - 1)]
    poses: list[Pose] = []
    areas = []
    for owner, label in enumerate(labels, start=NOBODY + 1):
        poses.append(_place(dice, recipe, poses))
        areas.append(_object(canvas, dice, CLASSES[label], poses[-1], owner))
    for _ in range(dice.between(*recipe.num_occluders)):
        hidden = dice.below(num_objects)
        _occluder(canvas, dice, poses[hidden], hidden + 1, areas[hidden])
    objects = tuple(
        Seen(label, canvas.visible(owner), area)
        for owner, (label, area) in enumerate(zip(labels, areas, strict=True), start=NOBODY + 1)
    )
    return Picture(_lit(canvas, dice), objects)
