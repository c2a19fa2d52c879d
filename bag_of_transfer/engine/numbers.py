"""What counts as a number in a config or a file: no bool, and neither nan nor infinite."""

import sys
from typing import Any

__all__ = ["is_finite_number", "is_whole"]


def is_whole(value: Any) -> bool:
    """Return whether a value is an int; True and False are none here."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite_number(value: Any) -> bool:
    """Return whether a value is an int or float that a float can hold; nan and inf are none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max  # isfinite fails at an int beyond the largest float
