"""Names of files and folders that are not UTF-8, or that a list spells in another way."""

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import unquote

from bag_of_transfer.engine.errors import UserError

__all__ = ["FileFinder", "composed", "original_of", "refuse_undecodable", "storable"]

# Roboflow writes a picture, changed in several ways, as a_jpg.rf.HASH.jpg.
OF_ROBOFLOW = re.compile(r"\.rf\.[0-9A-Za-z_-]{16,}(?=\.\w+$)")


def refuse_undecodable(paths: Iterable[PurePath], what: str) -> None:
    """Check that all names are UTF-8; records and tables with others could not be read.

    Args:
        paths: Files or folders.
        what: What each of them is, for the error: "a class", "an image".

    Raises:
        UserError: If a name is not UTF-8; it is shown with escapes.
    """
    for path in paths:
        try:
            path.name.encode()
        except UnicodeEncodeError as error:
            where = storable(path)
            raise UserError(f"the name of {what} is not UTF-8", where, "rename it") from error


def storable(text: object) -> str:
    """Return text that can be printed and stored, also where a name is not UTF-8."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def composed(name: str) -> str:
    """Return a name with its accents joined to their letters (NFC); macOS separates them."""
    return unicodedata.normalize("NFC", name)


def original_of(name: str) -> str:
    """Return a name that is the same for all changed copies that Roboflow writes of a picture."""
    return OF_ROBOFLOW.sub("", name)


class FileFinder:
    """Find files by names that others have written differently: accents, backslashes, ``%20``."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, str]] = {}  # composed name -> name; read once

    def find(self, folder: Path, name: str) -> Path | None:
        """Return the file that ``name`` stands for; None if there is none.

        Args:
            folder: Where the name starts.
            name: Name of the file; it may contain folders, and may lead out of ``folder``.
        """
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return Path(path)
        found = folder
        for part in PurePosixPath(name.replace("\\", "/")).parts:
            found = self._entry(found, part)
        if _exists(found) and found.is_file():
            return found
        # As in an address; without its escapes a name has fewer letters, so this ends.
        return self.find(folder, unquote(name)) if unquote(name) != name else None

    def tail(self, folder: Path, name: str) -> str | None:
        """Return the last parts of a missing ``name`` that are a file below ``folder``."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        tails = (str(PurePosixPath(*parts[start:])) for start in range(1, len(parts)))
        return next((tail for tail in tails if self.find(folder, tail)), None)

    def nearly(self, folder: Path, name: str) -> str | None:
        """Return the name of a file that differs from the missing ``name`` in case only."""
        path = Path(folder, name.replace("\\", "/"))
        wanted, names = composed(path.name).casefold(), self._names(path.parent).items()
        return next((name for key, name in names if key.casefold() == wanted), None)

    def _entry(self, folder: Path, name: str) -> Path:
        if _exists(folder / name):
            return folder / name
        return folder / self._names(folder).get(composed(name), name)

    def _names(self, folder: Path) -> dict[str, str]:
        if folder not in self._folders:
            names = os.listdir(folder) if _exists(folder) and folder.is_dir() else []
            self._folders[folder] = {composed(name): name for name in names}
        return self._folders[folder]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than a file system takes
        return False
