"""Remember the class names that annotations gave, as long as the files stay as they were.

Val and test take their classes from train, whose annotations need not be read again for each.
"""

from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import NamedTuple

from bag_of_transfer.engine.data.image_scan import stamp_of

__all__ = ["note_names", "noted_names"]

MOST = 4  # sources; train may be joined from several


class _Noted(NamedTuple):
    names: tuple[str, ...]
    stamps: dict[str, list[int]]


_noted: dict[Hashable, _Noted] = {}


def noted_names(source: Hashable) -> tuple[str, ...]:
    """Return the names that :func:`note_names` was given; none if a file has changed since."""
    known = _noted.get(source)
    if known is None or any(stamp_of(file) != stamp for file, stamp in known.stamps.items()):
        return ()
    return known.names


def note_names(source: Hashable, names: tuple[str, ...], files: Iterable[Path]) -> None:
    """Remember names.

    Args:
        source: What they are asked for by.
        names: The names.
        files: What they were read from, and files that would have been read had they existed.
    """
    if len(_noted) >= MOST:
        del _noted[next(iter(_noted))]
    _noted[source] = _Noted(names, {str(file): stamp_of(file) for file in files})
