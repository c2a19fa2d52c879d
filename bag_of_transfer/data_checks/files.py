"""Look at the content of many files, or take it from the ledger where their bytes are the same."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from bag_of_transfer.data_checks.ledger import Entry, Ledger
from bag_of_transfer.data_checks.look import UNREADABLE, Look
from bag_of_transfer.engine.data.image_scan import inspect_all
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.plain_files import read_file

__all__ = ["File", "Seen", "look_at_files"]

SAVE_EVERY_S = 30.0  # as much is lost by a kill
SHARE_OF_SAVING = 0.05  # of the time: a ledger of a million files takes seconds to write


class File(NamedTuple):
    """How a file is looked at, and the ledger that keeps what it shows."""

    inspect: Callable[[Path, bytes], Look]
    ledger: Ledger


class Seen(NamedTuple):
    """What a file shows now, and whether it was another when it was looked at before."""

    entry: Entry
    is_changed: bool = False


def look_at_files(files: Mapping[Path, File]) -> dict[Path, Seen]:
    """Read each file and compare its bytes with the ledger; decode it where they are new.

    What was seen is kept from time to time, so that an interrupted look goes on where it was.

    Returns:
        What each file shows, in the order of ``files``.
    """
    ledgers = {id(file.ledger): file.ledger for file in files.values()}.values()
    seen: dict[Path, Seen] = {}
    saved, took = time.monotonic(), 0.0
    try:
        for path, shown in inspect_all(list(files), lambda path: _look(path, files[path])):
            seen[path] = shown
            if shown.entry.look.sha256:
                files[path].ledger.note(path, shown.entry)
            if time.monotonic() - saved > max(SAVE_EVERY_S, took / SHARE_OF_SAVING):
                took = _save(ledgers)
                saved = time.monotonic()
    finally:
        _save(ledgers)
    return seen


def _save(ledgers: Iterable[Ledger]) -> float:
    start = time.monotonic()
    for ledger in ledgers:
        ledger.save()
    return time.monotonic() - start


def _look(path: Path, file: File) -> Seen:
    known = file.ledger.entry(path)
    try:
        status = path.stat()  # before: a file that changes meanwhile is looked at again
        data = read_file(path)
    except (OSError, UserError):  # it has vanished, the disk fails, or it is a pipe
        return Seen(Entry(0, 0, Look("", marks=(UNREADABLE,))))
    sha256 = hashlib.sha256(data).hexdigest()
    stamp = (status.st_size, status.st_mtime_ns)
    if known is not None and known.look.sha256 == sha256:
        look = known.look if known.look.is_complete else file.inspect(path, data)
        return Seen(Entry(*stamp, look))
    if known is not None and (known.size, known.mtime_ns) == stamp:
        return Seen(known._replace(flipped=sha256))
    return Seen(Entry(*stamp, file.inspect(path, data)), is_changed=known is not None)
