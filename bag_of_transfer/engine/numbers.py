"""What counts as a number in a config or a file: not a bool, not nan, not infinite."""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeGuard

__all__ = ["is_finite_number", "is_whole", "numbered"]


def is_whole(value: Any) -> TypeGuard[int]:
    """Return whether a value is an int; True and False do not count as ints here."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite_number(value: Any) -> TypeGuard[float]:
    """Return whether a value is an int or float that a finite float can hold, and not a bool."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max  # isfinite fails on an int beyond the largest float


def numbered(names: Iterable[str]) -> list[str]:
    """Return names that are all different: the second ``a`` becomes ``a 2``."""
    seen: Counter[str] = Counter()
    different = []
    for name in names:
        seen[name] += 1
        different.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return different
