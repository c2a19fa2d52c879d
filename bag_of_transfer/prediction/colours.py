"""One colour per class, the same for a class in boxes and in masks."""

import colorsys
from collections.abc import Sequence

__all__ = ["DARK", "LIGHT", "Colour", "class_colours", "is_background", "readable_on"]

Colour = tuple[int, int, int]

DARK, LIGHT = (32, 32, 32), (255, 255, 255)
BACKGROUND = ("background", "_background_", "bg")
# A turn by the golden angle puts each new hue into the widest gap between the others.
GOLDEN_TURN = 137.508 / 360
# (saturation, value) of successive classes: hues alone would look alike with 150 classes.  Start
# and tones are the best of 4500 random draws: the first 20 colours differ by at least 49 of 255
# levels.
FIRST_HUE = 0.45
TONES = ((0.7, 0.85), (1.0, 0.85), (1.0, 1.0), (0.55, 1.0), (1.0, 0.6))


def is_background(name: str) -> bool:
    """Return whether a class of this name means "nothing of interest" and is not painted."""
    return name.lower() in BACKGROUND


def class_colours(classes: Sequence[str]) -> list[Colour | None]:
    """Choose a colour (RGB, 0 to 255) per class, in label order; the background's is None.

    The background uses up no colour: so a class has the same colour in a data set of masks, which
    has a background, and in one of boxes, which has none.
    """
    colours: list[Colour | None] = []
    taken = 0
    for name in classes:
        colours.append(None if is_background(name) else _colour(taken))
        taken += not is_background(name)
    return colours


def readable_on(colour: Colour) -> Colour:
    """Choose dark or light letters on this colour, by its luma (ITU-R BT.601)."""
    red, green, blue = colour
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return DARK if luma > 110 else LIGHT  # 110: chosen by looking at all tones


def _colour(index: int) -> Colour:
    saturation, value = TONES[index % len(TONES)]
    hue = (FIRST_HUE + index * GOLDEN_TURN) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
