"""Check archives before unpacking: all present, of the official size, and room on the disk."""

import difflib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from bag_of_transfer.archives.catalogue import DATA_SETS
from bag_of_transfer.archives.records import Archive, DataSet
from bag_of_transfer.archives.unpack import first_file
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.quantities import size

__all__ = ["UNPACKED_PER_BYTE", "check_sizes", "check_space", "find_archives"]

# JPEGs are as large unpacked as packed.  The smallest are those of Places365 (26,103,685,120 bytes
# for 1,803,460 images, catalogue.py): 14.5 kB each, to which the disk's blocks of 4 kB add 2 kB on
# average, 14 percent.
UNPACKED_PER_BYTE = 1.2


def find_archives(data_set: DataSet, folder: Path) -> dict[Archive, Path]:
    """Return the paths of all archives of a data set in a folder.

    Raises:
        UserError: If the folder cannot be read, or archives are missing.  The message names all
            that are missing and files that look like another release of them.
    """
    try:
        present = set(os.listdir(folder))
    except OSError as error:
        raise UserError(
            f"the folder of archives cannot be read ({error.strerror})", folder, "check --archives"
        ) from error
    missing = [archive.name for archive in data_set.archives if archive.name not in present]
    if missing:
        foreign = sorted(present - {archive.name for archive in data_set.archives})
        like = {near for name in missing for near in difflib.get_close_matches(name, foreign, 1)}
        note = f"; {', '.join(sorted(like))} is another release" if like else ""
        raise UserError(
            f"archives of {data_set.title} are missing ({', '.join(missing)}{note})",
            folder,
            f"get them from {data_set.page}{' (after a log-in)' if data_set.login else ''}",
        )
    return {archive: folder / archive.name for archive in data_set.archives}


def check_sizes(paths: Mapping[Archive, Path]) -> None:
    """Compare the sizes of archives on disk with the official ones, which is fast.

    Raises:
        UserError: If an archive is cut off, of another release, or can't be read.
    """
    for archive, path in paths.items():
        try:
            with path.open("rb"):
                size = path.stat().st_size
        except OSError as error:
            raise UserError(
                f"the archive cannot be read ({error.strerror})", path, "check its permissions"
            ) from error
        if archive.size is not None and size != archive.size:
            raise UserError(
                f"{_what_it_is(archive, path, size)}: {size:,} bytes instead of {archive.size:,}",
                path,
                f"get it again from {archive.url or 'its page'}",
            )


def _what_it_is(archive: Archive, path: Path, size: int) -> str:
    for other in (archive for data_set in DATA_SETS.values() for archive in data_set.archives):
        if other.size == size:
            return f"of another release, by its size {other.name}"
    first = first_file(archive, path)
    if first is not None and not first.startswith(archive.holds):
        return f"of another release, it holds {first}, not {archive.holds}"
    return "cut off" if size < (archive.size or 0) else "not the official file"


def check_space(folder: Path, unpack_bytes: int, download_bytes: int = 0) -> None:
    """Check that the disk of ``folder`` has enough free space.

    Args:
        folder: Folder for everything; must exist.
        unpack_bytes: Size of the archives; unpacked files need 1.2 times as much.
        download_bytes: Number of bytes still to be downloaded to the same disk.

    Raises:
        UserError: If it has less.
    """
    needed = int(unpack_bytes * UNPACKED_PER_BYTE) + download_bytes
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"the disk is too small: {size(needed)} are needed ({UNPACKED_PER_BYTE} times "
            f"the archives' size{', and the archives' if download_bytes else ''}), "
            f"{size(free)} are free",
            folder,
            "make room, or choose another disk by --data-root",
        )
