"""The SHA-256 of a file; needs nothing but the standard library."""

import hashlib
import time
from functools import lru_cache
from pathlib import Path

__all__ = ["sha256_of"]

SETTLED = 1.0  # seconds: a younger file may change again without another time of change


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, without reading it whole into memory.

    A process reads a large file again only if it has changed.
    """
    known = path.stat()
    if time.time() - known.st_mtime < SETTLED:
        return _read(path)
    return _remembered(path, (known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns))


@lru_cache(maxsize=8)
def _remembered(path: Path, state: tuple[int, ...]) -> str:
    return _read(path)


def _read(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
