"""Read an archive of somebody else's, which may unpack to far more than its size."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from bag_of_transfer.engine.errors import UserError

__all__ = ["BoundedStream", "members_of", "refuse_bomb"]

# tarfile reads a header of any size at once; content is read in smaller pieces.
MAX_HEADER = 1 << 24  # bytes
NEGATIVE = "a size in it is negative"


class BoundedStream:
    """An unpacked stream that ends with an error where more comes than is allowed.

    Args:
        stream: What is read.
        path: The archive, for the error.
        max_bytes: How much may come.
        mend: What to do about more, for the error.
    """

    def __init__(self, stream: IO[bytes], path: Path, max_bytes: int, mend: str) -> None:
        self._stream, self._limits = stream, (path, max_bytes, mend)

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes.

        Raises:
            UserError: If there is more than allowed, or a header longer than 16 MiB.
        """
        if not 0 <= size <= MAX_HEADER:
            path, _, mend = self._limits
            raise UserError(f"the archive holds a header of {size} bytes", path, mend)
        data = self._stream.read(size)
        self._check(self._stream.tell())
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a byte of the stream.

        Raises:
            UserError: If that is further than allowed.
            tarfile.ReadError: If it is before the beginning.
        """
        if not whence:
            if offset < 0:
                raise tarfile.ReadError(NEGATIVE)
            self._check(offset)
        return self._stream.seek(offset, whence)

    def __getattr__(self, name: str) -> Any:
        """Return what else the stream has, such as ``tell``."""
        return getattr(self._stream, name)

    def _check(self, position: int) -> None:
        refuse_bomb(position, *self._limits)


def members_of(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar in order.

    Raises:
        tarfile.ReadError: If one leads back to an earlier one: Python before 3.11.14 reads these
            again without end.
    """
    newest = -1
    while (member := archive.next()) is not None:
        if member.offset <= newest:
            raise tarfile.ReadError(NEGATIVE)
        newest = member.offset
        yield member


def refuse_bomb(num_bytes: int, path: Path, max_bytes: int, mend: str) -> None:
    """Check that an archive unpacks to no more than is allowed.

    Args:
        num_bytes: How much it unpacks to, or how much has come so far.
        path: The archive, for the error.
        max_bytes: How much is allowed.
        mend: What to do about more, for the error.

    Raises:
        UserError: If it is more.
    """
    if num_bytes > max_bytes:
        what = f"the archive of {path.stat().st_size:,} bytes unpacks to more than {max_bytes:,}"
        raise UserError(what, path, mend)
