"""What is known about a data set before it is on disk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Archive", "DataSet"]


@dataclass(frozen=True)
class Archive:
    """One official file.

    Args:
        name: The official file name.
        url: The official address; "" where a log-in is required.
        size: Number of bytes; None where no source states it.
        digest: ``"md5:..."`` or ``"sha256:..."``; None where no source states it.
        holds: Start of the paths in the archive.  Other paths are not unpacked, and an archive
            without any such path is of another release.
        becomes: Replaces ``holds`` in the unpacked paths.
        nested: Whether its files are archives: ``n01.tar`` is unpacked into a folder ``n01``.
    """

    name: str
    url: str
    size: int | None
    digest: str | None
    holds: str
    becomes: str
    nested: bool = False


@dataclass(frozen=True)
class DataSet:
    """A data set and how to arrange it.

    Args:
        name: Folder below DATA_ROOT.
        title: The usual name.
        page: The official page, for downloading by hand.
        archives: All official files that are needed.
        arrange: Moves the unpacked files into the layout, in place.
        count: Counts the files in the layout.
        counts: The official counts.
        login: Whether the page requires a log-in, so that the tool can't download the files.
    """

    name: str
    title: str
    page: str
    archives: tuple[Archive, ...]
    arrange: Callable[[Path], None]
    count: Callable[[Path], dict[str, int]]
    counts: Mapping[str, int]
    login: bool = False
