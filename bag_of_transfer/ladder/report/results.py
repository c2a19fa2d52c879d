"""Read a ladder's folder: the plan, and the state and results of every cell.

``ladder.json`` holds the plan, ``seed<S>/<rung>/<task>/`` a cell (docs/files.md).  Data, configs
and weights are not needed, so the report can be made on any machine.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from bag_of_transfer.engine.errors import UserError, is_divergence
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.run_files import read_metrics
from bag_of_transfer.ladder.fields import PLAN_RULE
from bag_of_transfer.ladder.folder import PLAN, PRETRAINING, RECORD, Selection, cell_key
from bag_of_transfer.ladder.metrics import TOP1, metric_of
from bag_of_transfer.ladder.report.planned import (
    RungResults,
    TaskResults,
    planned_rung,
    planned_task,
)
from bag_of_transfer.ladder.report.tuning import Tuning, read_tunings
from bag_of_transfer.ladder.seal import read_cell, refuse_broken_seal

__all__ = ["CELL_NAMES", "CellResult", "LadderResults", "read_results", "reason_of"]

AGAIN = "run tools/ladder.py again"
MEND = "give the work dir of a tools/ladder.py run (work_dirs/NAME)"

CELL_NAMES = ("rung", "task", "seed")  # in a record
CellState = Literal["done", "failed", "damaged", "unfinished", "missing"]


@dataclass(frozen=True)
class CellResult:
    """The pretraining of a rung or its fine-tuning for one task, with one seed.

    ``left_out``: it was not begun, because its backbone, or a teacher of that, diverged.
    """

    rung: str
    task: str
    seed: int
    folder: Path
    status: CellState
    reason: str | None = None  # why it is not done
    record: Mapping[str, Any] = field(default_factory=dict)  # cell.json
    result: Mapping[str, Any] = field(default_factory=dict)  # metrics.json
    left_out: bool = False

    @property
    def diverged(self) -> bool:
        """Whether its training ended because loss or weights were no numbers any more."""
        return self.status == "failed" and is_divergence(self.reason or "")

    @property
    def name(self) -> str:
        """A short name for lists."""
        return f"{self.rung} / {self.task} / seed {self.seed}"

    def metric(self, name: str) -> float | None:
        """Return a metric in percent; None if the cell is not done or has no such number."""
        value = self.result.get("metrics", {}).get(name) if self.status == "done" else None
        return None if value is None else float(value)

    @property
    def per_class(self) -> dict[str, float]:
        """The task's metric by class, in percent, without classes that have no objects."""
        values = self.result.get("per_class") or {}
        return {name: float(value) for name, value in values.items() if value is not None}

    @property
    def training_seconds(self) -> float | None:
        """The time of training and of its teacher's cache, without evaluation.

        None if it was not recorded.
        """
        value = (self.record.get("train") or {}).get("seconds")
        return None if value is None else float(value) + (self.cache_seconds or 0.0)

    @property
    def cache_seconds(self) -> float | None:
        """The time in which the teacher's answers were stored; None if they were not."""
        value = (self.record.get("train") or {}).get("cache_seconds")
        return None if value is None else float(value)


@dataclass(frozen=True, eq=False)  # told by identity: what is derived from one is kept for it
class LadderResults:
    """A ladder's plan and cells; dicts are in the order of the tables."""

    folder: Path
    name: str
    config: str
    reference: str
    seeds: tuple[int, ...]
    selection: Selection
    rungs: Mapping[str, RungResults]
    tasks: Mapping[str, TaskResults]
    notes: tuple[str, ...]
    cells: tuple[CellResult, ...]
    teachers: Mapping[str, RungResults] = field(default_factory=dict)  # those of no table
    tunings: tuple[Tuning, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)
    amp: str | None = None  # of trainings whose config states no precision

    def label(self, rung: str) -> str:
        """Return the label of a rung or of a teacher; of an unknown one its name."""
        known = self.rungs.get(rung) or self.teachers.get(rung)
        return known.label if known else rung

    def margin(self, metric: str) -> float:
        """Return the largest difference, in percent points, that counts as none.

        A metric that stands beside another for its intervals has the other's.
        """
        beside = (name for name in self.margins if metric_of(name).interval_of == metric)
        stated = metric if metric in self.margins else next(beside, metric)
        return self.margins.get(stated, metric_of(metric).margin)

    def cells_of(self, rung: str | None = None, task: str | None = None) -> list[CellResult]:
        """Return the finished cells of a rung and a task; None stands for all of them."""
        return [
            cell
            for cell in self.cells
            if cell.status == "done" and rung in (None, cell.rung) and task in (None, cell.task)
        ]

    def values(self, task: str, metric: str) -> dict[str, dict[int, float]]:
        """Return each rung's values by seed, in percent; {} for a rung without values."""
        values: dict[str, dict[int, float]] = {rung: {} for rung in self.rungs}
        for cell in self.cells_of(task=task):
            value = cell.metric(metric)
            if value is not None:
                values[cell.rung][cell.seed] = value
        return values

    def num_diverged(self, rung: str, task: str) -> int:
        """Return for how many seeds a rung's training for a task (or pretraining) diverged.

        Those count, too, that were not begun because their backbone, or its teacher, diverged.
        """
        cells = [cell for cell in self.cells if cell.rung == rung and cell.task == task]
        return sum(cell.diverged or cell.left_out for cell in cells)

    def num_planned(self, rung: str, task: str) -> int:
        """Return the number of cells that are planned for a rung and a task (or pretraining)."""
        return sum(cell.rung == rung and cell.task == task for cell in self.cells)


def read_results(folder: Path) -> LadderResults:
    """Read a ladder's folder; a cell that was edited or cannot be read is marked as damaged.

    Raises:
        RefusedError: If ``ladder.json`` was edited.
        UserError: If ``ladder.json`` is missing, damaged or of another schema.
    """
    path = folder / PLAN
    if not path.is_file():
        raise UserError(f"the folder has no {PLAN}", folder, MEND)
    plan = read_json(path, AGAIN, PLAN_RULE)
    refuse_broken_seal(path, plan, AGAIN)
    return _ladder(folder, plan)


def _ladder(folder: Path, plan: Mapping[str, Any]) -> LadderResults:
    rungs = {name: planned_rung(name, stated) for name, stated in plan["rungs"].items()}
    tasks = {name: planned_task(name, stated) for name, stated in plan["tasks"].items()}
    named = {"the reference": plan["reference"]}
    named |= {f"what {each.name} is compared with": each.compared_with for each in rungs.values()}
    for what, name in named.items():
        if name and name not in rungs:
            raise UserError(f"{what}, {name!r}, is not one of the rungs", folder / PLAN, AGAIN)
    is_tuned = any(rung.tune for rung in rungs.values()) or any(t.tune for t in tasks.values())
    if is_tuned and not plan.get("tuning_seeds"):
        raise UserError("values are tuned with no tuning_seeds", folder / PLAN, AGAIN)
    teachers = {n: planned_rung(n, stated) for n, stated in (plan.get("teachers") or {}).items()}
    seeds = tuple(plan["seeds"])
    shared = seeds if plan.get("shared_seed") is None else (plan["shared_seed"],)
    selection: Selection = plan.get("selection") or "last"
    tuning_seeds = tuple(plan.get("tuning_seeds") or ())
    cells = _cells(folder, rungs, tasks, seeds, shared)
    return LadderResults(
        folder=folder,
        name=plan["name"],
        config=str(plan.get("config")),
        reference=plan["reference"],
        seeds=seeds,
        selection=selection,
        rungs=rungs,
        tasks=tasks,
        notes=tuple(plan.get("notes") or ()),
        cells=tuple(_with_left_out(folder, cells, {**teachers, **rungs}, shared)),
        teachers=teachers,
        tunings=read_tunings(folder, rungs, teachers, tasks, tuning_seeds, selection),
        margins={name: float(value) for name, value in (plan.get("margins") or {}).items()},
        amp=plan.get("amp"),
    )


def _cells(
    folder: Path,
    rungs: Mapping[str, RungResults],
    tasks: Mapping[str, TaskResults],
    seeds: tuple[int, ...],
    shared: tuple[int, ...],
) -> Iterator[CellResult]:
    for rung in rungs.values():
        # Backbone files and public weights are copied or converted: these cells have no metrics.
        metrics = (TOP1,) if rung.kind == "config" else ()
        for seed in _pretrained_seeds(folder, rung, seeds, shared):
            yield _cell(folder, rung.name, PRETRAINING, seed, metrics)
        for task in tasks.values():
            for seed in seeds:
                yield _cell(folder, rung.name, task.name, seed, task.metrics)


def _with_left_out(
    folder: Path,
    cells: Iterable[CellResult],
    rungs: Mapping[str, RungResults],
    shared: tuple[int, ...],
) -> Iterator[CellResult]:
    """Yield the cells; of those that were not begun because a pretraining diverged, say so."""

    @cache
    def is_lost(rung: str, seed: int) -> bool:
        return _cell(folder, rung, PRETRAINING, seed, ()).diverged

    for cell in cells:
        needed = _needed(cell, rungs, shared) if cell.status == "missing" else ()
        lost = [rung.label for rung, seeds in needed if any(is_lost(rung.name, s) for s in seeds)]
        reason = f"the pretraining of {lost[0]} diverged" if lost else cell.reason
        yield replace(cell, reason=reason, left_out=bool(lost))


def _needed(
    cell: CellResult, rungs: Mapping[str, RungResults], shared: tuple[int, ...]
) -> Iterator[tuple[RungResults, tuple[int, ...]]]:
    """Yield whose pretrainings a cell needs, and with which seed, or seeds if it may be several."""
    seeds: tuple[int, ...] = (cell.seed,)
    name = rungs[cell.rung].teacher if cell.task == PRETRAINING else cell.rung
    for _ in rungs:  # in an edited plan teachers may go round
        rung = rungs.get(name or "")
        if rung is None:
            return
        seeds = shared if rung.seeds == "shared" else seeds
        yield rung, seeds
        name = rung.teacher


def _pretrained_seeds(
    folder: Path, rung: RungResults, seeds: tuple[int, ...], shared: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the seeds of a rung's pretrainings; ``shared``: possible seeds of a shared one."""
    if rung.kind == "config" and rung.seeds == "matched":
        return seeds
    begun = tuple(s for s in shared if (folder / cell_key(rung.name, PRETRAINING, s)).is_dir())
    return begun or (shared[:1] if rung.kind == "config" else ())


def _cell(root: Path, rung: str, task: str, seed: int, metrics: tuple[str, ...]) -> CellResult:
    folder = root / cell_key(rung, task, seed)
    if not (folder / RECORD).is_file():
        if not folder.is_dir():
            return CellResult(rung, task, seed, folder, "missing", "not begun")
        return CellResult(rung, task, seed, folder, "unfinished", "running, or cut off")
    try:
        record = read_cell(folder, MEND)
        if record["status"] == "failed":
            reason = record.get("reason") or "no reason recorded"
            return CellResult(rung, task, seed, folder, "failed", reason, record)
        result = read_metrics(folder, MEND, metrics) if metrics else {}
        _refuse_another(record, (rung, task, seed), folder)
    except UserError as error:
        return CellResult(rung, task, seed, folder, "damaged", reason_of(error))
    return CellResult(rung, task, seed, folder, "done", None, record, result)


def reason_of(error: UserError) -> str:
    """Return in a few words why a cell's file counts as damaged, with its name."""
    name = Path(error.where).name
    return error.what if error.what.startswith(name) else f"{name}: {error.what}"


def _refuse_another(record: Mapping[str, Any], cell: tuple[str, str, int], folder: Path) -> None:
    said = tuple(record.get(name, here) for name, here in zip(CELL_NAMES, cell, strict=True))
    if said != cell:
        what = f"the record is of {said[0]} / {said[1]} / seed {said[2]}"
        raise UserError(what, folder / RECORD, MEND)
