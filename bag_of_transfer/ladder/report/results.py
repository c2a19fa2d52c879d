"""A ladder's folder read back: what was planned, and what became of every cell.

``ladder.json`` holds the plan, ``seed<S>/<rung>/<task>/`` a cell (docs/files.md).  Data, configs
and weights are not needed, so that a folder can be reported on any machine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import is_number, read_json
from bag_of_transfer.ladder.folder import (
    METRICS,
    PLAN,
    PRETRAINING,
    RECORD,
    RUNG_KINDS,
    SCHEMA,
    SEED_KINDS,
    SOURCES,
    TASK_KINDS,
    RungKind,
    SeedKind,
    TaskKind,
    cell_key,
)
from bag_of_transfer.ladder.metrics import TOP1

__all__ = ["CellResult", "LadderResults", "RungResults", "TaskResults", "read_results"]

MEND = "give the work dir of a tools/ladder.py run (work_dirs/NAME)"

Word = TypeVar("Word", bound=str)
CellState = Literal["done", "failed", "damaged", "unfinished", "missing"]


@dataclass(frozen=True)
class RungResults:
    """A way to start fine-tuning: scratch, a pretraining config, a file or a public model."""

    name: str
    kind: RungKind
    label: str
    seeds: SeedKind
    published: Mapping[str, float] = field(default_factory=dict)  # percent
    teacher: str | None = None
    origin: str | None = None  # the config, file or model it stands for


@dataclass(frozen=True)
class TaskResults:
    """A detection or segmentation config, and the metrics to be shown (percent)."""

    name: str
    kind: TaskKind
    config: str
    metrics: tuple[str, ...]
    published_split: bool = False


@dataclass(frozen=True)
class CellResult:
    """One rung, pretrained or fine-tuned for one task, with one seed."""

    rung: str
    task: str
    seed: int
    folder: Path
    status: CellState
    reason: str | None = None  # why it is not done
    record: Mapping[str, Any] = field(default_factory=dict)  # cell.json
    result: Mapping[str, Any] = field(default_factory=dict)  # metrics.json

    @property
    def name(self) -> str:
        """Short name for lists."""
        return f"{self.rung} / {self.task} / seed {self.seed}"

    def metric(self, name: str) -> float | None:
        """Give a metric in percent; None where the cell is not done or has no such figure."""
        value = self.result.get("metrics", {}).get(name) if self.status == "done" else None
        return float(value) if is_number(value) else None

    @property
    def per_class(self) -> dict[str, float]:
        """The task's metric by class, in percent; classes without objects have none."""
        found = self.result.get("per_class") or {}
        return {name: float(value) for name, value in found.items() if is_number(value)}

    @property
    def training_seconds(self) -> float | None:
        """How long training took, without evaluation; None where it was not recorded."""
        value = (self.record.get("train") or {}).get("seconds")
        return float(value) if is_number(value) else None


@dataclass(frozen=True)
class LadderResults:
    """The plan and its cells; dicts are in the order of the tables."""

    folder: Path
    name: str
    config: str
    reference: str
    seeds: tuple[int, ...]
    selection: str
    rungs: Mapping[str, RungResults]
    tasks: Mapping[str, TaskResults]
    notes: tuple[str, ...]
    cells: tuple[CellResult, ...]

    def cells_of(self, rung: str | None = None, task: str | None = None) -> list[CellResult]:
        """Choose finished cells; None stands for any."""
        return [
            cell
            for cell in self.cells
            if cell.status == "done" and rung in (None, cell.rung) and task in (None, cell.task)
        ]

    def values(self, task: str, metric: str) -> dict[str, dict[int, float]]:
        """Give each rung's values by seed, in percent; a rung without any has an empty dict."""
        found: dict[str, dict[int, float]] = {rung: {} for rung in self.rungs}
        for cell in self.cells_of(task=task):
            value = cell.metric(metric)
            if value is not None:
                found[cell.rung][cell.seed] = value
        return found

    def num_planned(self, rung: str, task: str) -> int:
        """Count the cells that a rung should have for a task (or for its pretraining)."""
        return sum(cell.rung == rung and cell.task == task for cell in self.cells)


def read_results(folder: Path) -> LadderResults:
    """Read a ladder's folder; a cell that cannot be read is marked, the rest goes on.

    Raises:
        UserError: If there is no ``ladder.json``, or if it is damaged or of another schema.
    """
    path = folder / PLAN
    if not path.is_file():
        raise UserError(f"no {PLAN} here", folder, MEND)
    try:
        plan = read_json(path, MEND)
        if plan["schema"] != SCHEMA:
            raise UserError(f"schema {plan['schema']} instead of {SCHEMA}", path, MEND)
        return _ladder(folder, plan)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        if isinstance(error, UserError):
            raise
        told = f"{type(error).__name__}: {error}"
        raise UserError(f"damaged plan ({told})", path, "run tools/ladder.py again") from error


def _ladder(folder: Path, plan: Mapping[str, Any]) -> LadderResults:
    rungs = {name: _rung(name, stated) for name, stated in plan["rungs"].items()}
    tasks = {name: _task(name, stated) for name, stated in plan["tasks"].items()}
    if plan["reference"] not in rungs:
        raise KeyError(f"reference {plan['reference']!r} is no rung")
    seeds = tuple(int(seed) for seed in plan["seeds"])
    return LadderResults(
        folder=folder,
        name=str(plan["name"]),
        config=str(plan.get("config")),
        reference=plan["reference"],
        seeds=seeds,
        selection=str(plan.get("selection", "last")),
        rungs=rungs,
        tasks=tasks,
        notes=tuple(map(str, plan.get("notes") or ())),
        cells=tuple(_cells(folder, rungs, tasks, seeds, plan.get("shared_seed"))),
    )


def _rung(name: str, stated: Mapping[str, Any]) -> RungResults:
    return RungResults(
        name=name,
        kind=_one_of(stated["kind"], RUNG_KINDS, name),
        label=str(stated.get("label") or name),
        seeds=_one_of(stated["seeds"], SEED_KINDS, name),
        published={k: float(v) for k, v in (stated.get("published") or {}).items()},
        teacher=stated.get("teacher"),
        origin=next((stated[k] for k in SOURCES if stated.get(k)), None),
    )


def _task(name: str, stated: Mapping[str, Any]) -> TaskResults:
    metrics = tuple(stated["metrics"])
    if not metrics or not all(isinstance(metric, str) for metric in metrics):
        raise ValueError(f"{name}: metrics are {stated['metrics']!r}")
    kind = _one_of(stated["kind"], TASK_KINDS, name)
    return TaskResults(
        name, kind, str(stated.get("config")), metrics, bool(stated.get("published_split"))
    )


def _one_of(value: Any, known: tuple[Word, ...], where: str) -> Word:
    if value not in known:
        raise ValueError(f"{where}: {value!r} is none of {', '.join(known)}")
    return known[known.index(value)]


def _cells(
    folder: Path,
    rungs: Mapping[str, RungResults],
    tasks: Mapping[str, TaskResults],
    seeds: tuple[int, ...],
    shared_seed: int | None,
) -> Iterator[CellResult]:
    for rung in rungs.values():
        # Public weights are copied or converted: such a cell has no figures of its own.
        pretrained = (TOP1,) if rung.kind == "config" else ()
        shared = seeds if shared_seed is None else (shared_seed,)
        for seed in _pretrained_seeds(folder, rung, seeds, shared):
            yield _cell(folder, rung.name, PRETRAINING, seed, pretrained)
        for task in tasks.values():
            for seed in seeds:
                yield _cell(folder, rung.name, task.name, seed, task.metrics)


def _pretrained_seeds(
    folder: Path, rung: RungResults, seeds: tuple[int, ...], shared: tuple[int, ...]
) -> tuple[int, ...]:
    """A shared backbone is made once; ``shared``: in which seed's folder it may lie."""
    if rung.kind == "config" and rung.seeds == "matched":
        return seeds
    there = tuple(s for s in shared if (folder / cell_key(rung.name, PRETRAINING, s)).is_dir())
    return there or (shared[:1] if rung.kind == "config" else ())


def _cell(folder: Path, rung: str, task: str, seed: int, metrics: tuple[str, ...]) -> CellResult:
    own = folder / cell_key(rung, task, seed)
    if not (own / RECORD).is_file():
        if not own.is_dir():
            return CellResult(rung, task, seed, own, "missing", "not begun")
        return CellResult(rung, task, seed, own, "unfinished", "running, or cut off")
    try:
        record = _object(own / RECORD)
        _check_record(record)
        if record.get("status") == "failed":
            reason = str(record.get("reason") or "no reason recorded")
            return CellResult(rung, task, seed, own, "failed", reason, record)
        if record.get("status") != "done":
            raise ValueError(f"{RECORD}: no such status: {record.get('status')!r}")
        result = _object(own / METRICS) if metrics else {}
        _check_figures(result, metrics)
    except (OSError, ValueError) as error:
        return CellResult(rung, task, seed, own, "damaged", str(error))
    return CellResult(rung, task, seed, own, "done", None, record, result)


def _object(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path, MEND))
    except UserError as error:
        raise ValueError(f"{path.name}: {error.what}") from error


def _check_record(record: Mapping[str, Any]) -> None:
    """Look at the entries that the report goes into; it shows the others as they are."""
    if not isinstance(record.get("train") or {}, dict):
        raise ValueError(f"{RECORD}: train is no object")
    for name in ("commands", "notes"):
        if not isinstance(record.get(name) or [], list):
            raise ValueError(f"{RECORD}: {name} is no list")
    if not all(isinstance(words, list) for words in record.get("commands") or []):
        raise ValueError(f"{RECORD}: a command is no list of words")


def _check_figures(result: Mapping[str, Any], wanted: tuple[str, ...]) -> None:
    found = result.get("metrics") if wanted else {}
    if not isinstance(found, dict):
        raise ValueError(f"{METRICS}: no metrics")
    for name in wanted:
        if not is_number(found.get(name)):
            raise ValueError(f"{METRICS}: {name} is {found.get(name)!r}, no number")
    if not isinstance(result.get("per_class") or {}, dict):
        raise ValueError(f"{METRICS}: per_class is no object")
