"""The cost of a rung's backbone, with its teacher's, and of the searches for their recipes."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.folder import (
    AS_STATED,
    PRETRAINING,
    RECORD,
    SCRATCH,
    cell_key,
    tuning_records,
)
from bag_of_transfer.ladder.report.results import CELL_NAMES, CellResult, LadderResults
from bag_of_transfer.ladder.seal import read_cell
from bag_of_transfer.ladder.search import point_name

__all__ = ["more_minutes", "pretraining_minutes", "teachers_cells", "tried_cells", "tuning_minutes"]


def pretraining_minutes(ladder: LadderResults) -> dict[str, float]:
    """Return the median time of each rung's pretrainings, plus its teacher's, in minutes.

    Scratch costs 0.  Rungs of unknown cost are left out: backbone files, public weights, and
    students whose teacher's time is not recorded.
    """
    minutes: dict[str, float] = {}
    for rung in ladder.rungs.values():
        if rung.kind in (SCRATCH, "config"):
            times = [_seconds(ladder, name) for name in _with_teachers(ladder, rung.name)]
            if all(times):  # not the means: a busy machine may have slowed a seed
                minutes[rung.name] = sum(median(each.values()) for each in times) / 60
    return minutes


def more_minutes(ladder: LadderResults, rung: str, other: str) -> float | None:
    """Return by how many minutes a rung's pretraining takes longer, its teacher's included.

    It is the median over the seeds that both have, because machines and their loads differ between
    seeds.  None without such seeds, and where a cost is unknown, as in :func:`pretraining_minutes`.
    """
    ours, theirs = (_seconds_by_seed(ladder, name) for name in (rung, other))
    if ours is None or theirs is None:
        return None
    if not ours and not theirs:
        return 0.0
    seeds = ours.keys() & theirs.keys() if ours and theirs else ours.keys() | theirs.keys()
    more = [ours.get(seed, 0.0) - theirs.get(seed, 0.0) for seed in seeds]
    return median(more) / 60 if more else None


def _seconds_by_seed(ladder: LadderResults, rung: str) -> dict[int, float] | None:
    """Return what each seed of a rung's pretraining took; {} of scratch, None if unknown."""
    kind = ladder.rungs[rung].kind
    if kind != "config":
        return {} if kind == SCRATCH else None
    times = [_seconds(ladder, name) for name in _with_teachers(ladder, rung)]
    seeds = set.intersection(*map(set, times))
    return {seed: sum(each[seed] for each in times) for seed in seeds} or None


def _with_teachers(ladder: LadderResults, rung: str) -> list[str]:
    names: list[str] = []
    name: str | None = rung if ladder.rungs[rung].kind == "config" else None
    while name and name not in names:
        names.append(name)
        known = ladder.rungs.get(name) or ladder.teachers.get(name)
        name = known.teacher if known else None
    return names


def _seconds(ladder: LadderResults, name: str) -> dict[int, float]:
    """Return what a rung's or teacher's own pretraining took, by seed, where it is recorded."""
    in_tables = name in ladder.rungs
    cells = ladder.cells_of(name, PRETRAINING) if in_tables else teachers_cells(ladder, name)
    known = {cell.seed: cell.training_seconds for cell in cells}
    return {seed: seconds for seed, seconds in known.items() if seconds is not None}


def teachers_cells(ladder: LadderResults, name: str) -> Iterator[CellResult]:
    """Yield the cells of a teacher that is not a rung of the tables, read from its records."""
    return _recorded(sorted(ladder.folder.glob(f"seed*/{name}/{PRETRAINING}/{RECORD}")))


def _recorded(records: Iterable[Path]) -> Iterator[CellResult]:
    for path in records:
        try:
            record = read_cell(path.parent, "")
        except UserError:  # a note names it
            continue
        rung, task, seed = (record.get(name) for name in CELL_NAMES)
        if record["status"] == "done" and rung and task and seed is not None:
            yield CellResult(rung, task, seed, path.parent, "done", None, record)


def tried_cells(ladder: LadderResults) -> Iterator[CellResult]:
    """Yield the runs of searches that are done, and the pretrainings from which they start.

    Those of rungs, tasks, seeds and values that the ladder no longer has do not count.
    """
    keys = {
        cell_key(rung, each.task, seed, point_name(point))
        for each in ladder.tunings
        for rung in each.rungs
        for seed in each.seeds
        for point in each.progress.grid.points
    }
    rungs = [*ladder.rungs.values(), *ladder.teachers.values()]
    as_stated = [rung.name for rung in rungs if not rung.tune]
    seeds = {seed for each in ladder.tunings for seed in each.seeds}
    keys |= {cell_key(rung, PRETRAINING, seed, AS_STATED) for rung in as_stated for seed in seeds}
    folders = {ladder.folder / key for key in keys}
    return _recorded(path for path in tuning_records(ladder.folder) if path.parent in folders)


def tuning_minutes(ladder: LadderResults) -> dict[str, dict[str, float]]:
    """Return the time of the runs of searches by task and rung, in minutes.

    The pretrainings from which such runs start are among them.  A run that lost its loss counts
    with all of its time.
    """
    minutes: dict[str, dict[str, float]] = {}
    for cell in tried_cells(ladder):
        seconds = cell.training_seconds
        if seconds is None:
            seconds = cell.record.get("seconds")
        by_rung = minutes.setdefault(cell.task, {})
        by_rung[cell.rung] = by_rung.get(cell.rung, 0.0) + (seconds or 0.0) / 60
    return minutes
