"""Unpack an archive in one pass: hash it while reading, write nothing outside the folder.

An archive is read once, from front to back. A zip's table of contents is at its end and is read
first; then its files are read in the order of their positions.
"""

import errno
import gzip
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from bag_of_transfer.archives.hashed_file import CHUNK, MB, HashedFile
from bag_of_transfer.archives.records import Archive
from bag_of_transfer.engine.bars import Step
from bag_of_transfer.engine.bounded_stream import BoundedStream, members_of, refuse_bomb
from bag_of_transfer.engine.errors import UserError

__all__ = ["archive_files", "first_file", "unpack", "write_file"]

# A zip of COCO's annotations unpacks to 3.3 times its size, pictures and masks to about 1.
MAX_RATIO, SPARE_BYTES = 10, 1 << 30
MAX_FILES = 10_000_000  # Places365 has 1.8 million
_FOREIGN = 100  # stop after this many files of another release and none that is expected
NOT_OFFICIAL = "this is not an official archive: do not use it"
# What the system says of a file in a folder's place, the reverse, and too long a name.
IMPOSSIBLE = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
Files = Iterator[tuple[str, IO[bytes]]]  # path and content of each regular file


def unpack(archive: Archive, path: Path, root: Path) -> str | None:
    """Unpack what ``archive`` holds below ``root`` and return the digest of the whole file.

    Args:
        archive: Record of the official archive.
        path: The file on disk.
        root: Folder for the files, whose paths start with ``archive.becomes``.

    Raises:
        UserError: If the file is damaged or cut off, holds no expected file, a path or a link
            leads outside, or its digest is not the official one.
    """
    algorithm, _, official = (archive.digest or "").partition(":")
    step = Step(f"unpacking {path.name}, MB", path.stat().st_size // MB)
    step.show("")
    file = HashedFile(path, algorithm or None, step)
    try:
        with reporting_damage(archive, path):
            _write_files(archive, path, file, root)
            digest = file.finish()
        if official and digest != official:
            raise UserError(
                f"the {algorithm} checksum is {digest}, not the official {official}",
                path,
                f"damaged or of another release: get it again from {archive.url or 'its page'}",
            )
        step.end("checksum right" if official else "no checksum to compare with is known")
    finally:
        step.close()
        file.close()
    return digest


def first_file(archive: Archive, path: Path) -> str | None:
    """Return the path of the first file in an archive; None if it cannot be read."""
    file = HashedFile(path, None)
    try:
        with reporting_damage(archive, path):
            return next((name for name, _ in archive_files(path, file, archive.nested)), None)
    except UserError:
        return None
    finally:
        file.close()


class _OutsideError(ValueError):
    """A path leads out of the folder; the message is the path."""


@contextmanager
def reporting_damage(archive: Archive, path: Path) -> Iterator[None]:
    """Turn the libraries' errors about a bad archive into one of ours.

    Raises:
        UserError: In place of a library's error.
    """
    try:
        yield
    except _OutsideError as error:
        what = f"a path in the archive leads outside ({str(error)!r})"
        raise UserError(what, path, NOT_OFFICIAL) from error
    except (
        *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error),
        NotImplementedError,  # a compression that zipfile does not know
    ) as error:
        raise UserError(
            f"the archive is damaged or cut off ({error})",
            path,
            f"get it again from {archive.url or 'its page'}",
        ) from error
    except OSError as error:
        if error.errno not in IMPOSSIBLE:
            raise
        what = f"the archive holds a path that cannot be written ({error.strerror})"
        raise UserError(what, path, f"get it again from {archive.url or 'its page'}") from error


def _write_files(archive: Archive, path: Path, file: HashedFile, root: Path) -> None:
    folders: set[Path] = set()
    num_foreign, foreign = 0, ""
    for number, (name, content) in enumerate(archive_files(path, file, archive.nested)):
        if number == MAX_FILES:
            raise UserError(f"the archive holds more than {MAX_FILES:,} files", path, NOT_OFFICIAL)
        if posixpath.basename(name).startswith("._"):
            continue  # macOS's notes on a file, which some official archives hold
        if not name.startswith(archive.holds):
            num_foreign, foreign = num_foreign + 1, foreign or name
            if not folders and num_foreign >= _FOREIGN:
                break
            continue
        target = root / (archive.becomes + name[len(archive.holds) :])
        if target.parent not in folders:
            target.parent.mkdir(parents=True, exist_ok=True)
            folders.add(target.parent)
        write_file(target, content)
    if not folders:
        raise UserError(
            f"of another release: it holds {foreign or 'nothing'}, not {archive.holds or 'files'}",
            path,
            f"get {archive.name} from {archive.url or 'its page'}",
        )


def write_file(target: Path, content: IO[bytes]) -> None:
    """Write one unpacked file."""
    with target.open("wb") as file:
        shutil.copyfileobj(content, file, CHUNK)


def archive_files(path: Path, file: HashedFile, nested: bool) -> Files:
    """Yield path and content of each file in the archive ``path``, read from ``file``.

    Raises:
        UserError: If it unpacks to more than ten times its size and a gibibyte.
    """
    stream: IO[bytes] = file.buffered
    limits = path, MAX_RATIO * path.stat().st_size + SPARE_BYTES, NOT_OFFICIAL
    if path.suffix == ".zip":
        return _zip_files(stream, file, limits)
    if path.suffix == ".gz":  # tarfile's own unzipping does not compare gzip's checksum
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    return _tar_files(stream, limits, nested)


def _tar_files(stream: IO[bytes], limits: tuple[Path, int, str], nested: bool) -> Files:
    stream = cast(IO[bytes], BoundedStream(stream, *limits))
    # Not tarfile's "r|": it copies its whole buffer at each read.  "r:" also seeks forward only.
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        for member in members_of(tar):
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep a million of them
            _check_inside(member.name)
            if member.issym() or member.islnk():
                start = posixpath.dirname(member.name) if member.issym() else ""
                _check_inside(member.linkname, start)
            elif member.isfile():
                content = tar.extractfile(member)
                assert content is not None  # it is a file
                if nested and member.name.endswith(".tar"):
                    stem = _plain(member.name)[: -len(".tar")]
                    for inner, data in _tar_files(content, limits, nested=False):
                        yield f"{stem}/{inner}", data
                else:
                    yield _plain(member.name), content
    _read_to_the_end(stream)


def _read_to_the_end(stream: IO[bytes]) -> None:
    while stream.read(CHUNK):  # gzip compares its checksum there
        pass


def _zip_files(stream: IO[bytes], file: HashedFile, limits: tuple[Path, int, str]) -> Files:
    file.hashing = False
    with zipfile.ZipFile(stream) as archive:
        file.hashing = True
        refuse_bomb(sum(member.file_size for member in archive.infolist()), *limits)
        for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
            _check_inside(member.filename)
            if member.is_dir():
                continue
            if member.flag_bits & 1:
                raise zipfile.BadZipFile("it is encrypted")
            with archive.open(member) as content:
                if stat.S_ISLNK(member.external_attr >> 16):
                    link = content.read(CHUNK).decode(errors="replace")
                    _check_inside(link, posixpath.dirname(member.filename))
                else:
                    yield _plain(member.filename), content


def _plain(name: str) -> str:
    return posixpath.normpath(name)


def _check_inside(name: str, start: str = "") -> None:
    """Check that a path does not lead outside; no official archive has links, others skip them.

    Raises:
        _OutsideError: If it does.
    """
    path = posixpath.normpath(posixpath.join(start, name))
    if path.startswith("/") or path.split("/")[0] == ".." or "\0" in path:
        raise _OutsideError(name)
