"""Keep what earlier looks at files have shown, so that damage since then is found.

A folder of data has a ledger, the hidden file ``.content_ledger.json`` in it, or, where it cannot
be written, a file in ``$XDG_CACHE_HOME/bag_of_transfer`` (``~/.cache`` if that is not set):

    {"schema": 1, "files": {NAME: [bytes, time of change in ns, sha256 of other bytes that were
    found with the same size and time, or "", sha256, hash of pixels, likeness, marks, values,
    [width, height], pixels of each value]}}

Earlier versions wrote no sizes and pixels: such a file is decoded once more.

Several processes may write it: each keeps what the others have added.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bag_of_transfer.data_checks.look import Look
from bag_of_transfer.engine.atomic import write_text
from bag_of_transfer.engine.data.file_names import storable
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.log_file import warn

__all__ = ["LEDGER", "Entry", "Ledger"]

LEDGER = ".content_ledger.json"
SCHEMA = 1
NUM_FIELDS = (8, 10)


class Entry(NamedTuple):
    """What is known of a file.

    Args:
        size: In bytes.
        mtime_ns: Time of change.
        look: What the content showed when it was as it should be.
        flipped: The sha256 of what was found in its place, with the same size and time; "" if the
            file is as it should be.
    """

    size: int
    mtime_ns: int
    look: Look
    flipped: str = ""


class Ledger:
    """The ledger of a folder.

    Args:
        folder: The folder; files in it are called by their path from there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.abspath(folder)
        self._places = [Path(self._folder, LEDGER), _in_cache(self._folder)]
        self._seen: dict[str, list[Any]] = {}  # by this process
        self._new: dict[str, list[Any]] = {}  # of that, what is not written yet
        # The places may contradict each other, where only one of them can be written.
        self._files = [self._seen, *map(_read, self._places)]

    def __len__(self) -> int:
        """Return the number of files that it knows."""
        return len(set().union(*self._files))

    def entry(self, path: Path) -> Entry | None:
        """Return what is known of a file, which may have changed since."""
        known = self._known(path)
        return self.valid_entry(path) or (known[0] if known else None)

    def valid_entry(self, path: Path) -> Entry | None:
        """Return what is known of a file, if its size and time of change are the same."""
        known = self._known(path)
        try:
            status = path.stat() if known else None
        except OSError:
            return None
        same = (e for e in known if status and (e.size, e.mtime_ns) == _stamp(status))
        return next(same, None)

    def note(self, path: Path, entry: Entry) -> None:
        """Take down what a look has shown; :meth:`save` writes it."""
        known = [list(each) if isinstance(each, tuple) else each for each in entry.look]
        written = [entry.size, entry.mtime_ns, entry.flipped, *known]
        name = self._name(path)
        if next((files[name] for files in self._files if name in files), None) != written:
            self._seen[name] = self._new[name] = written

    def save(self) -> None:
        """Write what is new; a line says so if it cannot be written anywhere."""
        if not self._new:
            return
        for place in self._places:
            with contextlib.suppress(OSError), _locked(place.parent):
                files = _read(place) | self._new
                write_text(place, json.dumps({"schema": SCHEMA, "files": files}))
                self._new.clear()
                return
        warn(f"{self._folder}: what was seen of its files cannot be kept: no place to write")

    def _known(self, path: Path) -> list[Entry]:
        name = self._name(path)
        entries = (_entry(files.get(name)) for files in self._files)
        return [entry for entry in entries if entry is not None]

    def _name(self, path: Path) -> str:
        full = os.path.abspath(path)
        inside = full.startswith(f"{self._folder}{os.sep}")  # relpath takes five times as long
        name = full[len(self._folder) + 1 :] if inside else os.path.relpath(full, self._folder)
        return storable(name)


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _in_cache(folder: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(
        cache, "bag_of_transfer", hashlib.sha256(os.fsencode(folder)).hexdigest()[:16] + ".json"
    )


def _read(place: Path) -> dict[str, Any]:
    content = read_json_or_none(place)
    if content is None:
        if place.is_file():
            warn(f"{place}: the ledger is damaged, files are looked at anew")
        return {}
    files = content.get("files")
    return files if content.get("schema") == SCHEMA and isinstance(files, dict) else {}


def _entry(written: Any) -> Entry | None:
    """Return an entry as it was written; None if it is not as we write it."""
    if not isinstance(written, list) or len(written) not in NUM_FIELDS:
        return None
    size, mtime_ns, flipped, sha256, pixels, likeness, marks, *numbers = written
    if not _all(int, [size, mtime_ns]) or not _all(str, [flipped, sha256, pixels, likeness]):
        return None
    if not _all(str, marks) or not _is_likeness(likeness):
        return None
    if not all(_all(int, each) for each in numbers):
        return None
    look = Look(sha256, pixels, likeness, tuple(marks), *map(tuple, numbers))
    fits = len(look.size) in (0, 2) and len(look.counts) in (0, len(look.values))
    return Entry(size, mtime_ns, look, flipped) if fits else None


def _all(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def _is_likeness(digits: str) -> bool:
    return not digits or (len(digits) == 64 and not digits.strip("0123456789abcdef"))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other process writes there; where there are no locks, entries may be lost."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
