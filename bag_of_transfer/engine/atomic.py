"""Files that are whole or absent: written beside the old one, flushed to disk, moved into place.

Where a process writes its first file, it removes what killed processes left of theirs.
"""

import hashlib
import json
import math
import os
import platform
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "is_leftover_name",
    "json_text",
    "plain",
    "replacing",
    "replacing_both",
    "write_arrays",
    "write_bytes",
    "write_json",
    "write_text",
]

# Of a temporary file: the file's name, the place where its process runs, the process, a random
# part.  Before the place was named, files had only the last two.
TEMPORARY = re.compile(r"\..+\.(?:([0-9a-f]{8})-)?(\d+)(?:-[0-9a-f]{8})?\.tmp")
OLD = 3600.0  # seconds since the last byte was written


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path``; a crash leaves the old file or the new one, never a part.

    The temporary file lies in the same folder (a move across file systems would copy) and is
    removed when writing fails.  Missing folders are created.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file to fill; it becomes ``path`` if the block ends without an error.

    For files that a library writes by itself; otherwise as :func:`write_bytes`.

    Raises:
        OSError: If writing fails; the error names ``path``, not the temporary file.
    """
    with _aside(Path(path)) as temporary:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    _sync_folder(Path(path).parent)


@contextmanager
def replacing_both(path: Path, beside: Path) -> Iterator[tuple[Path, Path]]:
    """Yield temporary files for a file and for another that describes it.

    As :func:`replacing`; a crash leaves both old files, both new ones, or the old or the new file
    without its description, which is removed before the file that it describes is replaced.

    Args:
        path: The file.
        beside: What describes it, in the same folder.

    Raises:
        OSError: If writing fails; the error names the file, not the temporary one.
    """
    with _aside(beside) as description, _aside(path) as temporary:
        yield temporary, description
        _sync(temporary)
        _sync(description)
        beside.unlink(missing_ok=True)
        os.replace(temporary, path)
        os.replace(description, beside)
    _sync_folder(path.parent)


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` for a file that is gone afterwards, by a move or removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent.absolute())
    # Not tempfile.mkstemp: its mode 0600 would hide the result from the user's group.
    # The uuid: one process may write the same file twice at once, from two threads.
    unique = f"{_here()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    temporary = path.with_name(f".{path.name}.{unique}.tmp")
    try:
        yield temporary
    except OSError as error:
        # write() reports a full disk without the name of the file.
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # on a read-only disk this error would hide the first one
            temporary.unlink(missing_ok=True)


def is_leftover_name(name: str) -> bool:
    """Return whether a file is one that a process writes, or has left when it was killed."""
    return TEMPORARY.fullmatch(name) is not None


@cache
def _sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder; once in a process.

    A file stays if its process may still write it: one of this machine that runs, or one of
    another machine whose last byte is younger than an hour.
    """
    for path in folder.glob(".*.tmp"):
        written = TEMPORARY.fullmatch(path.name)
        with suppress(OSError):  # another process may have removed it
            if written and not _may_be_in_use(path, written[1], int(written[2])):
                path.unlink()


def _may_be_in_use(path: Path, place: str | None, process: int) -> bool:
    if time.time() - path.stat().st_mtime > OLD:
        return False
    return place != _here() or _runs(process)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:  # it is somebody else's
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


@cache
def _here() -> str:
    """Return a short name for the machine, or the container, in which process numbers count."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        space = ""
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, as :func:`write_bytes` does."""
    write_bytes(path, text.encode())


def write_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write NumPy arrays as a compressed ``.npz``, as :func:`write_bytes` does."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def write_json(path: str | Path, obj: Any) -> None:
    """Write ``obj`` as :func:`json_text`, as :func:`write_bytes` does.

    Raises:
        TypeError: If ``obj`` holds a value that JSON cannot express; nothing is written then.
    """
    write_text(path, json_text(obj))


def json_text(obj: Any, compact: bool = False) -> str:
    """Return ``obj`` as JSON: indented, or on one line without spaces.

    NaN and infinities become null (JSON has no word for them); paths become strings; numbers
    of NumPy and torch become plain ones.

    Raises:
        TypeError: If ``obj`` holds a value that JSON cannot express.
    """
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 2}
    return json.dumps(plain(obj), allow_nan=False, **layout) + "\n"


def plain(obj: Any) -> Any:
    """Return what JSON can express of ``obj``, as :func:`json_text` says."""
    if isinstance(obj, dict):
        return {key: plain(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [plain(value) for value in obj]
    if hasattr(obj, "tolist"):  # NumPy and torch: scalars and arrays
        return plain(obj.tolist())
    if isinstance(obj, float) and not math.isfinite(obj):
        return None
    return str(obj) if isinstance(obj, Path) else obj


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # The move itself lives in the folder: without this a power cut may undo it.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems cannot sync a folder
        pass
    finally:
        os.close(handle)
