"""The cost of a rung's backbone: the time of its pretraining and of its teacher's."""

from collections.abc import Iterator
from statistics import median

from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.ladder.folder import PRETRAINING, RECORD, SCRATCH
from bag_of_transfer.ladder.report.results import CellResult, LadderResults

__all__ = ["pretraining_minutes"]


def pretraining_minutes(ladder: LadderResults) -> dict[str, float]:
    """Return the median time of each rung's pretrainings, plus its teacher's, in minutes.

    Scratch costs 0.  Rungs of unknown cost are left out: backbone files, public weights, and
    students whose teacher's time is not recorded.
    """
    minutes: dict[str, float] = {}
    for rung in ladder.rungs.values():
        if rung.kind in (SCRATCH, "config"):
            times = [_median_seconds(ladder, name) for name in _with_teachers(ladder, rung.name)]
            known = [seconds for seconds in times if seconds is not None]
            if len(known) == len(times):
                minutes[rung.name] = sum(known) / 60
    return minutes


def _with_teachers(ladder: LadderResults, rung: str) -> list[str]:
    names: list[str] = []
    name: str | None = rung if ladder.rungs[rung].kind == "config" else None
    while name and name not in names:
        names.append(name)
        name = ladder.rungs[name].teacher if name in ladder.rungs else None
    return names


def _median_seconds(ladder: LadderResults, rung: str) -> float | None:
    in_tables = rung in ladder.rungs
    cells = ladder.cells_of(rung, PRETRAINING) if in_tables else _teachers_cells(ladder, rung)
    known = [seconds for cell in cells if (seconds := cell.training_seconds) is not None]
    return median(known) if known else None  # not the mean: a busy machine may have slowed one


def _teachers_cells(ladder: LadderResults, name: str) -> Iterator[CellResult]:
    """Yield the cells of a teacher that is not a rung of the tables, read from its records."""
    for path in sorted(ladder.folder.glob(f"seed*/{name}/{PRETRAINING}/{RECORD}")):
        try:
            record = read_json(path, "")
            if record["status"] == "done" and isinstance(record["train"], dict):
                yield CellResult(
                    name, PRETRAINING, record["seed"], path.parent, "done", None, record
                )
        except (OSError, ValueError, TypeError, KeyError):  # a damaged record counts as missing
            continue
