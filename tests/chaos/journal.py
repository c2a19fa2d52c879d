"""A file of one line per run, with which an interrupted call goes on."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Journal", "folder_for_faults"]

Record = dict[str, Any]


class Journal:
    """The runs of this call and, with a file, of earlier ones on the same commit.

    Args:
        path: The file; None to keep nothing.
        commit: The code that runs.
    """

    def __init__(self, path: Path | None, commit: str) -> None:
        self._path, self._commit = path, commit
        written = path.read_text().splitlines() if path and path.is_file() else []
        records = [json.loads(line) for line in written]
        self.records = [record for record in records if record["commit"] == commit]

    def next_seed(self) -> int:
        """Return the seed of the first run that is not there."""
        return max((record["seed"] for record in self.records), default=-1) + 1

    def add(self, record: Record) -> None:
        """Add a run, and print what it came to."""
        self.records.append({"commit": self._commit, **record})
        told = {key: value for key, value in record.items() if key != "kills"}
        print(" ".join(f"{key}={value}" for key, value in told.items()), flush=True)
        if self._path:
            with self._path.open("a") as file:
                file.write(json.dumps(self.records[-1]) + "\n")

    def fill(
        self, make: Callable[[int], Record], seed: int | None, enough: Callable[[], bool]
    ) -> None:
        """Make the run of one seed, or those that lack until there are enough."""
        if seed is not None:
            self.add(make(seed))
        while seed is None and not enough():
            self.add(make(self.next_seed()))


@contextmanager
def folder_for_faults(journal: Journal) -> Iterator[Path]:
    """Yield a folder for runs, which is kept if one of them has faults."""
    folder = Path(tempfile.mkdtemp(prefix="chaos"))
    try:
        yield folder
    finally:
        if any(record["faults"] for record in journal.records):
            print(f"the runs with faults are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
