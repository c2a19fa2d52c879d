"""What counts as a number in a config or a file: not a bool, not nan, not infinite."""

import sys
from typing import Any, TypeGuard

__all__ = ["is_finite_number", "is_whole"]


def is_whole(value: Any) -> TypeGuard[int]:
    """Return whether a value is an int; True and False do not count as ints here."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite_number(value: Any) -> TypeGuard[float]:
    """Return whether a value is an int or float that a finite float can hold, and not a bool."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max  # isfinite fails on an int beyond the largest float
