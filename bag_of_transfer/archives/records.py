"""What is known of a data set before any of it is on disk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Archive", "DataSet"]


@dataclass(frozen=True)
class Archive:
    """One official file.

    Args:
        name: Its official name, by which it is found.
        url: The official address; "" where one must log in.
        size: Bytes; None where no source tells.
        digest: ``"md5:..."`` or ``"sha256:..."``; None where no source tells.
        holds: How the paths in it begin; what begins otherwise is not unpacked, and an archive
            without any such path is of another release.
        becomes: What stands for ``holds`` in the unpacked paths.
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
    """A data set and how it comes into its layout.

    Args:
        name: Folder below DATA_ROOT.
        title: What people call it.
        page: The official page, for those who fetch by hand.
        archives: All official files it needs.
        arrange: Moves what was unpacked into the layout, in place.
        count: Counts what lies in the layout.
        counts: What must come out, officially.
        login: Whether the page asks for a log-in, so that nothing can be downloaded.
    """

    name: str
    title: str
    page: str
    archives: tuple[Archive, ...]
    arrange: Callable[[Path], None]
    count: Callable[[Path], dict[str, int]]
    counts: Mapping[str, int]
    login: bool = False
