"""What a rung's backbone costs: the time of its pretraining, and of its teacher's."""

from collections.abc import Iterator
from statistics import median

from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.ladder.folder import PRETRAINING, RECORD, SCRATCH
from bag_of_transfer.ladder.report.results import CellResult, LadderResults

__all__ = ["pretraining_minutes"]


def pretraining_minutes(ladder: LadderResults) -> dict[str, float]:
    """Give the median time of each rung's pretrainings, plus its teacher's, in minutes.

    Scratch costs 0.  Left out is what nobody here knows: public weights, and a student whose
    teacher's time is not recorded.
    """
    found: dict[str, float] = {}
    for rung in ladder.rungs.values():
        if rung.kind in (SCRATCH, "config"):
            times = [_median_seconds(ladder, name) for name in _with_teachers(ladder, rung.name)]
            known = [seconds for seconds in times if seconds is not None]
            if len(known) == len(times):
                found[rung.name] = sum(known) / 60
    return found


def _with_teachers(ladder: LadderResults, rung: str) -> list[str]:
    names: list[str] = []
    name: str | None = rung if ladder.rungs[rung].kind == "config" else None
    while name and name not in names:
        names.append(name)
        name = ladder.rungs[name].teacher if name in ladder.rungs else None
    return names


def _median_seconds(ladder: LadderResults, rung: str) -> float | None:
    own = ladder.cells_of(rung, PRETRAINING) if rung in ladder.rungs else _of_no_rung(ladder, rung)
    known = [seconds for cell in own if (seconds := cell.training_seconds) is not None]
    return median(known) if known else None  # one may have run beside other work


def _of_no_rung(ladder: LadderResults, name: str) -> Iterator[CellResult]:
    """Read the cells of a teacher that only teaches: the plan of the tables does not list it."""
    for path in sorted(ladder.folder.glob(f"seed*/{name}/{PRETRAINING}/{RECORD}")):
        try:
            record = read_json(path, "")
            if record["status"] == "done" and isinstance(record["train"], dict):
                yield CellResult(
                    name, PRETRAINING, record["seed"], path.parent, "done", None, record
                )
        except (OSError, ValueError, TypeError, KeyError):  # as good as not there
            continue
