"""Write a record of any length: its rows wait on disk, not in memory."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.atomic import json_text, replacing

__all__ = ["Rows", "write_record"]


class Rows:
    """The rows of a list in a record, in a file without a name that vanishes with the process.

    Args:
        folder: On the disk that takes the file.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder)
        self._num = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._num

    def add(self, row: Mapping[str, Any], **lists: "Rows") -> None:
        """Add a row, with lists of rows as its last entries."""
        self._file.write("\n" if not self._num else ",\n")
        self._file.write("\n".join(_lines(row, lists)))
        self._num += 1

    def lines(self) -> Iterator[str]:
        """Yield the lines of all rows as JSON, with commas between the rows."""
        self._file.seek(0)
        next(self._file, None)  # the empty line before the first row
        yield from (line.rstrip("\n") for line in self._file)
        self._file.seek(0, 2)


def write_record(path: Path, head: Mapping[str, Any], **lists: Rows) -> None:
    """Write a record as :func:`~bag_of_transfer.engine.atomic.write_json` would write all of it.

    Args:
        path: The file; it is whole or absent.
        head: The first entries, at least one.
        **lists: The last entries, by name.
    """
    with replacing(path) as aside, aside.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in _lines(head, lists))


def _lines(head: Mapping[str, Any], lists: Mapping[str, Rows]) -> Iterator[str]:
    *before, last, _ = json_text(dict(head)).splitlines()
    yield from before
    for name, rows in lists.items():
        yield f"{last},"
        last = f"  {json.dumps(name)}: []"
        if len(rows):
            yield last[:-1]
            yield from (f"    {line}" for line in rows.lines())
            last = "  ]"
    yield last
    yield "}"
