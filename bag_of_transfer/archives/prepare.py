"""Turn archives into a complete folder, or leave none at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bag_of_transfer.archives.check import check_sizes, check_space, find_archives
from bag_of_transfer.archives.download import bytes_missing, download
from bag_of_transfer.archives.records import Archive, DataSet
from bag_of_transfer.archives.unpack import unpack
from bag_of_transfer.engine.errors import RefusedError, UserError

__all__ = ["prepare"]


def prepare(
    data_set: DataSet, folder: Path, archives: Path | None, downloads: Path
) -> dict[str, int]:
    """Put a data set into ``folder``, or leave it if it is complete; print which, and the counts.

    Everything is unpacked into a hidden folder beside ``folder``, which is renamed when all checks
    have passed.  If a run is killed, the next one removes what it left there.

    Args:
        data_set: The data set.
        folder: Its folder.
        archives: Folder of the official archives; None: download them.
        downloads: Folder for downloaded archives, which are kept.

    Returns:
        The counts, equal to the official ones.

    Raises:
        RefusedError: If ``folder`` holds anything else or is incomplete, or another run is
            preparing it.
        UserError: If archives are missing, damaged or of another release, the disk is too small,
            or the counts differ.
    """
    try:
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            return _left_as_it_is(data_set, folder)
        with _fresh_folder(folder) as fresh:
            paths = _whole_archives(data_set, archives, downloads, fresh)
            for archive, path in paths.items():
                unpack(archive, path, fresh)
            counts = _arranged(data_set, fresh)
    except OSError as error:
        raise UserError(
            f"cannot read or write ({error.strerror or error})",
            error.filename or folder,
            "check the permissions and the free space, or choose another disk by --data-root",
        ) from error
    print(f"{folder}: complete\n{_lines(counts)}")
    return counts


def _left_as_it_is(data_set: DataSet, folder: Path) -> dict[str, int]:
    counts = {} if folder.is_file() else data_set.count(folder)
    wrong = _differences(counts, data_set.counts)
    if wrong:
        raise RefusedError(
            f"something else than {data_set.title} is in the folder ({wrong})",
            folder,
            "move it away, or choose another --data-root",
        )
    print(f"{folder}: complete, left as it is\n{_lines(counts)}")
    return counts


def _whole_archives(
    data_set: DataSet, archives: Path | None, downloads: Path, fresh: Path
) -> dict[Archive, Path]:
    if archives is not None:
        paths = find_archives(data_set, archives)
        check_sizes(paths)
        check_space(fresh, sum(path.stat().st_size for path in paths.values()))
        return paths
    if not data_set.login:
        sizes = sum(archive.size or 0 for archive in data_set.archives)
        check_space(fresh, sizes, bytes_missing(data_set, downloads))
    paths = download(data_set, downloads)
    check_sizes(paths)
    return paths


def _arranged(data_set: DataSet, fresh: Path) -> dict[str, int]:
    again = f"get the archives again from {data_set.page}"
    try:
        data_set.arrange(fresh)
    except (FileNotFoundError, LookupError, ValueError) as error:  # lists with other contents
        raise UserError(
            f"the archives are not those of {data_set.title} ({type(error).__name__}: {error})",
            ", ".join(archive.name for archive in data_set.archives),
            again,
        ) from error
    counts = data_set.count(fresh)
    wrong = _differences(counts, data_set.counts)
    if wrong:
        raise UserError(f"other counts than the official ones ({wrong})", data_set.title, again)
    return counts


def _differences(counts: Mapping[str, int], official: Mapping[str, int]) -> str:
    return ", ".join(
        f"{name} {counts.get(name, 0):,} instead of {number:,}"
        for name, number in official.items()
        if counts.get(name, 0) != number
    )


def _lines(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{name}: {number:,}, the official count" for name, number in counts.items())


@contextmanager
def _fresh_folder(folder: Path) -> Iterator[Path]:
    """Create an empty hidden folder beside ``folder``, and rename it to ``folder`` at the end."""
    fresh = folder.with_name(f".{folder.name}.unpacking")
    fresh.mkdir(parents=True, exist_ok=True)
    lock = os.open(fresh, os.O_RDONLY)
    try:
        _lock(lock, folder)
        _empty(fresh)
        try:
            yield fresh
            os.sync()  # otherwise a power cut may leave a complete folder of empty files
            os.rename(fresh, folder)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    finally:
        os.close(lock)


def _lock(handle: int, folder: Path) -> None:
    # The kernel releases the lock however a run ends.
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        mend = "wait until it is done"
        raise RefusedError("another run is preparing this folder", folder, mend) from error
    except OSError:  # a file system without locks
        pass


def _empty(fresh: Path) -> None:
    leftovers = list(fresh.iterdir())
    if leftovers:
        print(f"{fresh}: an interrupted run left files here; removed")
    for path in leftovers:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
