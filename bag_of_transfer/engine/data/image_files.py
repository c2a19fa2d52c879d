"""Find the image files of a folder, and warn about pictures that are passed over."""

import mimetypes
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.quantities import counted

__all__ = ["SUFFIXES", "files_below", "folders_in", "has_image_suffix", "warn_of_passed_over"]

# In either case.  Formats that the reader knows (image_reader.py) and people keep
# photographs in: an .ico is read where an annotation names it, but not looked for.
SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".jpe", ".jfif", ".gif",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif",
)  # fmt: skip
# Folders that systems leave: thumbnails and waste of network drives, what macOS puts into archives.
OF_SYSTEMS = frozenset({
    "__MACOSX", "@eaDir", "#recycle", "#snapshot", "$RECYCLE.BIN", "System Volume Information",
    "lost+found",
})  # fmt: skip
# Tried on files whose suffix says nothing: reading these headers is cheap and runs no program.
SNIFFED = ("JPEG", "PNG", "GIF", "WEBP", "TIFF")


def files_below(folder: Path, without: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield all files of a folder and its sub-folders in order, except :func:`is_hidden` ones.

    Notebooks keep copies of pictures in hidden folders.  Links to folders are followed, but not
    links to a folder that is being read: its pictures would come again and again.  The order is
    that of ``sorted`` paths.

    Args:
        folder: Where to start.
        without: Real paths of folders that are not read.

    Raises:
        UserError: If a folder cannot be read.
    """
    real = os.path.realpath(folder)
    if real in without:
        return
    try:
        with os.scandir(folder) as scan:
            entries = sorted((e for e in scan if not is_hidden(e.name)), key=lambda e: e.name)
    except OSError as error:
        what = f"the folder cannot be read ({error.strerror})"
        raise UserError(what, folder, "get permission to read it, or move it away") from error
    for entry in entries:
        if entry.is_dir():
            yield from files_below(Path(entry.path), without | {real})
        else:
            yield Path(entry.path)


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, without :func:`is_hidden` ones; none if it is none.

    Args:
        folder: Where to look; not below.
    """
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return [one for one in entries if one.is_dir() and not is_hidden(one.name)]


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden, or a folder that a system has left there."""
    return name.startswith(".") or name in OF_SYSTEMS


def has_image_suffix(name: str) -> bool:
    """Return whether the name ends like an image's; hidden files do not count.

    macOS puts a ``._photo.jpg``, which is not a picture, beside each photo.jpg.
    """
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def warn_of_passed_over(files: Iterable[Path], where: object) -> None:
    """Warn in one line about the pictures whose suffix is not among ``SUFFIXES``, if there are any.

    Args:
        files: All files that were found; those that do not look like a picture are not counted.
        where: The folder, for the line.
    """
    pictures = [path for path in files if not has_image_suffix(path.name) and _is_picture(path)]
    if pictures:
        counts = Counter(path.suffix.lower() or "no suffix" for path in pictures)
        named = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())
        message = (
            f"{where}: passed over {counted(len(pictures), 'picture')} for the suffix ({named})"
        )
        known = f"; suffixes read: {' '.join(SUFFIXES)}"
        warn(message + known)


def _is_picture(path: Path) -> bool:
    """Return whether a file is a picture by its suffix, or by its content if that is unknown."""
    if path.name.startswith("."):
        return False
    kind, _ = mimetypes.guess_type(path.name)
    if kind:
        return kind.startswith("image/")
    try:
        with Image.open(path, formats=SNIFFED):
            return True
    except Exception:  # what Pillow raises, or the system (a folder, no permission)
        return False
