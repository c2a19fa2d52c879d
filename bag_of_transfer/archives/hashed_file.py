"""A file that is hashed while others read it, so it is read only once."""

import hashlib
import io
import time
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.bars import Step
from bag_of_transfer.engine.quantities import duration, size

__all__ = ["CHUNK", "MB", "HashedFile", "speed_and_left"]

CHUNK = 1 << 20  # bytes
MB = 1_000_000


class HashedFile(io.RawIOBase):
    """A file that hashes and counts what others read from it, each byte once, in order.

    Args:
        path: The file.
        algorithm: ``"md5"`` or ``"sha256"``; None: only count.
        step: A progress bar in megabytes.
    """

    def __init__(self, path: Path, algorithm: str | None, step: Step | None = None) -> None:
        self._file = path.open("rb", buffering=0)
        # Against damage, not against attacks: systems that forbid MD5 for security allow this.
        self._hash = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
        self._step, self._started = step, time.perf_counter()
        self.num_seen = 0  # all bytes before this position are hashed
        self.hashing = True
        self.buffered = io.BufferedReader(self, CHUNK)  # for code that reads few bytes at a time

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: zip archives need it."""
        return True

    def tell(self) -> int:
        """Return the position in the file, in bytes."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position; skipped bytes are hashed when something after them is read."""
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes; fewer only at the end."""
        start = self._file.tell()
        data = self._file.read(size)
        if self.hashing:
            if start > self.num_seen:
                self._see_up_to(start)
                self._file.seek(start + len(data))
            self._see(data[self.num_seen - start :] if start < self.num_seen else data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer`` and return how many bytes; ``io.BufferedReader`` calls this."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def finish(self) -> str | None:
        """Hash the bytes that were not read and return the digest of the whole file."""
        self._file.seek(self.num_seen)
        while data := self._file.read(CHUNK):
            self._see(data)
        return self._hash.hexdigest() if self._hash else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _see_up_to(self, end: int) -> None:
        self._file.seek(self.num_seen)
        while self.num_seen < end:
            data = self._file.read(min(CHUNK, end - self.num_seen))
            if not data:  # the reader moved past the end of the file
                break
            self._see(data)

    def _see(self, data: bytes) -> None:
        if self._hash:
            self._hash.update(data)
        self.num_seen += len(data)
        if self._step:
            self._step.advance_to(self.num_seen // MB)
            if self._step.due:
                left = (self._step.total or 0) * MB - self.num_seen
                self._step.show(speed_and_left(self.num_seen, left, self._started))


def speed_and_left(done: int, left: int, begun: float) -> str:
    """Return how fast bytes come and how long the others take: ``3.2 MB/s | left 12 s``.

    Args:
        done: The number of bytes since ``begun``.
        left: The number of bytes to come; less than none counts as none.
        begun: When it was, by ``time.perf_counter``.
    """
    per_second = done / max(time.perf_counter() - begun, 1e-9)
    return f"{size(per_second)}/s | left {duration(max(left, 0) / max(per_second, 1e-9))}"
