"""How counts, lists, durations, rates and sizes are written for people, wherever one is shown."""

import itertools
import math
from collections.abc import Sequence

__all__ = ["amount", "counted", "duration", "few", "figure", "rate", "shortened", "size"]

PREFIXES = ("", "k", "M", "G", "T")
UNDEFINED = -1
UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """Return seconds in at most two units: 0.43 s, 32 s, 12 min 5 s, 3 h 7 min, 2 d 0 h."""
    if seconds < 9.95:  # 9.96 s is written as 10 s
        return f"{round(seconds, 3):.2g} s"
    for (unit, length), (smaller, part) in itertools.pairwise(UNITS):
        whole, rest = divmod(round(seconds), length)
        if whole:
            return f"{whole} {unit} {rest // part} {smaller}"
    return f"{round(seconds)} s"


def amount(number: float) -> str:
    """Return a number of things in three digits: 950, 12.3 k, 5.24 G."""
    return " ".join(filter(None, _three_digits(number)))


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 image, 12,345 images, 2 classes.

    Args:
        count: The number.
        noun: What one of them is called.
        plural: What several are called, where that is not the noun with an s.
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def few(things: Sequence[object], most: int) -> str:
    """Return the first of some things, and how many more there are: a, b and 3 more.

    Args:
        things: What is listed.
        most: How many are written out.
    """
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(map(str, things[:most])) + more


def shortened(text: str, most: int) -> str:
    """Return a text of at most ``most`` letters; one that is cut ends in three dots."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def figure(metric: float) -> str:
    """Return a metric in two decimals; "-" where it is undefined (NaN, or -1 as COCO's AP)."""
    return "-" if math.isnan(metric) or metric == UNDEFINED else f"{metric:.2f}"


def rate(per_second: float, what: str = "") -> str:
    """Return a rate in three digits: 123 img/s, 4.56 img/s, 1.23 k img/s; 0.25/s of nothing."""
    number, prefix = _three_digits(per_second)
    counted = " ".join(word for word in (prefix, what) if word)
    return f"{number} {counted}/s" if counted else f"{number}/s"


def size(num_bytes: float) -> str:
    """Return a number of bytes in three digits and decimal units: 512 B, 45.6 MB, 1.23 GB."""
    number, prefix = _three_digits(num_bytes)
    return f"{number} {prefix}B"


def _three_digits(value: float) -> tuple[str, str]:
    """Return a number of at most three digits and the prefix of its unit."""
    for prefix in PREFIXES[:-1]:
        if abs(value) < 999.5:  # more is written as 1.00e+03
            return f"{value:.3g}", prefix
        value /= 1000
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}", PREFIXES[-1]
