"""A hostile file: how it is made, who reads it, and what has to be said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["HostileFile", "table"]

Content = bytes | str | Callable[[Path], Any]


class HostileFile(NamedTuple):
    """One file of a stranger.

    Args:
        reader: What kind of file it is.
        name: What is wrong with it.
        read: Reads the file as a tool does; its second argument is the folder for outputs.
        file: The file's name, below a folder of its own.
        content: What is in it, or a function that writes it.
        said: What the error says, as a regular expression; "" if the file is harmless and has to
            be read.
        where: The file that the error names, if it is another one.
    """

    reader: str
    name: str
    read: Callable[[Path, Path], Any]
    file: str
    content: Content
    said: str
    where: str = ""

    def write(self, folder: Path) -> Path:
        """Write the file into a folder and return its path."""
        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(self.content):
            self.content(path)
        elif isinstance(self.content, str):
            path.write_text(self.content)
        else:
            path.write_bytes(self.content)
        return path


def table(
    kind: str,
    read: Callable[[Path, Path], Any],
    file: str,
    rows: dict[str, tuple[Content, str]],
) -> list[HostileFile]:
    """Return the files of one reader."""
    return [
        HostileFile(kind, f"{kind}-{name}", read, file, content, said)
        for name, (content, said) in rows.items()
    ]
