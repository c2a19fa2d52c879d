"""Show how far the cells are that run at once and write their output to files."""

import re
from pathlib import Path

from bag_of_transfer.engine.bars import Step

__all__ = ["CellOnScreen"]

# What engine/bars.py writes where there is no terminal: NAME | DONE/TOTAL | NOTE
LINE = re.compile(r"^(?P<name>[^|]+) \| (?P<done>\d+)/(?P<total>\d+)(?: \| (?P<note>.*))?$")


class CellOnScreen:
    """Repeats the newest progress line of a cell's log with the cell's key before it.

    Args:
        key: The cell's key.
        log: The file to which the cell writes; lines that it holds already are passed over.
    """

    def __init__(self, key: str, log: Path) -> None:
        self._key, self._log = key, log
        self._read = log.stat().st_size if log.is_file() else 0
        self._step: Step | None = None

    def update(self) -> None:
        """Show what was written since the last call."""
        lines = [match for line in self._new_lines() if (match := LINE.match(line))]
        if lines:
            self._show(lines[-1])

    def close(self) -> None:
        """Remove the bar."""
        if self._step is not None:
            self._step.close()
            self._step = None

    def _new_lines(self) -> list[str]:
        size = self._log.stat().st_size if self._log.is_file() else 0
        if size < self._read:  # the cell has begun anew
            self._read = 0
        if size == self._read:
            return []
        with self._log.open("rb") as file:
            file.seek(self._read)
            data = file.read(size - self._read)
        whole = data[: data.rfind(b"\n") + 1]  # the last line may be half written
        self._read += len(whole)
        return whole.decode("utf-8", "replace").splitlines()

    def _show(self, line: re.Match[str]) -> None:
        name, done, total = f"{self._key}: {line['name']}", int(line["done"]), int(line["total"])
        if self._step is None or self._step.name != name:
            self.close()
            self._step = Step(name, total)
        self._step.advance_to(done)
        self._step.show(line["note"] or "")
