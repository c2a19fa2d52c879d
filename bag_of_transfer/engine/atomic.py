"""Files that are whole or absent: written beside the old one, flushed to disk, moved into place."""

import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["json_text", "replacing", "write_arrays", "write_bytes", "write_json", "write_text"]


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
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile.mkstemp: its mode 0600 would hide the result from the user's group.
    # The uuid: on machines that share the folder, two processes may have the same number.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # write() reports a full disk without the name of the file.
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # on a read-only disk this error would hide the first one
            temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


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


def json_text(obj: Any) -> str:
    """Return ``obj`` as indented JSON.

    NaN and infinities become null (JSON has no word for them); paths become strings; numbers
    of NumPy and torch become plain ones.

    Raises:
        TypeError: If ``obj`` holds a value that JSON cannot express.
    """
    return json.dumps(_plain(obj), indent=2, allow_nan=False) + "\n"


def _plain(obj: Any) -> Any:
    if isinstance(obj, dict):
        return {key: _plain(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [_plain(value) for value in obj]
    if hasattr(obj, "tolist"):  # NumPy and torch: scalars and arrays
        return _plain(obj.tolist())
    if isinstance(obj, float) and not math.isfinite(obj):
        return None
    return str(obj) if isinstance(obj, Path) else obj


def _sync_folder(folder: Path) -> None:
    # The move itself lives in the folder: without this a power cut may undo it.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems cannot sync a folder
        pass
    finally:
        os.close(handle)
