"""A cell of a ladder: what it needs, and the commands that make it."""

from dataclasses import dataclass
from pathlib import Path

from bag_of_transfer.ladder.folder import (
    ANSWERS,
    AS_STATED,
    BACKBONE,
    LAST_CHECKPOINT,
    METRICS,
    PER_IMAGE,
    PREDICTIONS,
    PRETRAINING,
    SCRATCH,
    Selection,
    cell_key,
    selection_of,
)
from bag_of_transfer.ladder.metrics import TOP1
from bag_of_transfer.ladder.plan.spec import Rung, Task
from bag_of_transfer.ladder.search import Point, options_of, point_name

__all__ = ["Cell", "Command", "commands"]


@dataclass(frozen=True)
class Command:
    """One call of a tool of this toolkit.

    Args:
        tool: The tool's file, relative to the repository's root.
        inputs: The first arguments: a config, or files.
        checkpoint: The checkpoint that the tool tests or exports; it follows the inputs.
        options: The other arguments.
        picked_on_val: The checkpoint is the best on val, whose name is known only after training;
            until then ``checkpoint`` is ``best`` in the cell's folder.
    """

    tool: str
    inputs: tuple[str, ...]
    checkpoint: Path | None = None
    options: tuple[str, ...] = ()
    picked_on_val: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The command line, beginning with the tool."""
        checkpoint = (str(self.checkpoint),) if self.checkpoint else ()
        return (self.tool, *self.inputs, *checkpoint, *self.options)


@dataclass(frozen=True)
class Cell:
    """One run: a rung's pretraining (or conversion), or the fine-tuning of a rung for a task.

    Args:
        rung: The rung.
        task: The task; None for the rung's pretraining.
        seed: The seed of this run.
        backbone_seed: The seed of the pretraining that it starts from; None if there is none.
        needs: Keys of the cells that must be done first: the backbone's or the teacher's.
        root: The ladder's folder.
        point: The values of the keys that are tuned.
        tunes: It is a run of a search, or the pretraining that such a run starts from: its score on
            val helps to choose values, and it is not tested.
    """

    rung: Rung
    task: Task | None
    seed: int
    backbone_seed: int | None
    needs: tuple[str, ...]
    root: Path
    point: Point = ()
    tunes: bool = False

    @property
    def key(self) -> str:
        """The cell's folder, relative to the ladder's: ``seed0/b_standard/detection``."""
        tried = (point_name(self.point) or AS_STATED) if self.tunes else ""
        return cell_key(self.rung.name, self.task_name, self.seed, tried)

    @property
    def task_name(self) -> str:
        """The task's name, or ``PRETRAINING``."""
        return self.task.name if self.task else PRETRAINING

    @property
    def folder(self) -> Path:
        """The folder that holds all files of the cell."""
        return self.root / self.key

    @property
    def kind(self) -> str:
        """``"cls"``, ``"det"`` or ``"seg"``."""
        return self.task.kind if self.task else "cls"

    @property
    def judge(self) -> str:
        """The metric that a run of a search is judged by, on val."""
        return self.task.metrics[-1] if self.task else TOP1

    @property
    def added(self) -> Point:
        """The values of a run of a search that the ladder's config does not state."""
        grid = self.task.tune if self.task else self.rung.tune
        stated = dict(grid.axes) if grid and self.tunes else {}
        return tuple((key, v) for key, v in self.point if v not in stated.get(key, (v,)))

    @property
    def config(self) -> Path | None:
        """The config that it trains; None if weights are only copied or converted."""
        if self.task:
            return self.task.config
        return Path(self.rung.source) if self.rung.kind == "config" else None

    @property
    def cfg_options(self) -> tuple[str, ...]:
        """Overrides of that config."""
        if self.task is None:
            return (*self.rung.cfg_options, *self._teacher, *options_of(self.point))
        held_out = self.task.held_out if self.tunes else ()
        stated = (*self.task.cfg_options, *self.rung.task_options)
        return (*stated, *held_out, *options_of(self.point))

    @property
    def _teacher(self) -> tuple[str, ...]:
        if not self.rung.teacher:
            return ()
        checkpoint = self.root / self.needs[0] / LAST_CHECKPOINT
        teacher = f"model.distillation.teacher.checkpoint={checkpoint}"
        cache = f"model.distillation.cache={self.folder / ANSWERS}"
        return (teacher, cache) if self.rung.cached else (teacher,)

    @property
    def start(self) -> str:
        """The value of ``--backbone``: a file, or scratch."""
        return str(self.root / self.needs[0] / BACKBONE) if self.needs else SCRATCH


def commands(
    cell: Cell, selection: Selection, resume: bool = False, amp: str | None = None
) -> list[Command]:
    """Return the commands that make a cell, in their order.

    Args:
        cell: A cell of ``plan.plan``.
        selection: Which checkpoint the ladder tests.
        resume: Continue from the newest checkpoint in the cell's folder.
        amp: The precision of its training, if the tools are to be told.
    """
    told = ("--amp", amp) if amp else ()
    training = (*_training(cell, resume), *told)
    if cell.task:
        return _fine_tuning(cell, selection, training)
    return _pretraining(cell, training, told)


def _fine_tuning(cell: Cell, selection: Selection, flags: tuple[str, ...]) -> list[Command]:
    folder, config, options = cell.folder, (str(cell.config),), _options(cell)
    start = ("--backbone", cell.start, *options)
    training = Command("tools/train.py", config, options=(*flags, *start))
    if cell.tunes:
        return [training]
    picked = selection_of(cell.task, selection) == "val"
    tested = folder / ("best" if picked else LAST_CHECKPOINT)
    kept = ("--per-image", str(folder / PER_IMAGE))
    dumped = ("--dump-predictions", str(folder / PREDICTIONS))
    augmented = ("--tta",) if cell.task and cell.task.tta else ()
    test = (*_metrics(cell), *augmented, *kept, *dumped, *_logs(cell), *options)
    return [training, Command("tools/test.py", config, tested, test, picked_on_val=picked)]


def _pretraining(cell: Cell, flags: tuple[str, ...], told: tuple[str, ...]) -> list[Command]:
    backbone, source = str(cell.folder / BACKBONE), cell.rung.source
    if cell.rung.kind == "model":
        return [Command("tools/convert_weights.py", (source, backbone), options=("--force",))]
    if cell.rung.kind == "file":
        return []  # bag_of_transfer.ladder.run.cell_process copies it
    last, options = cell.folder / LAST_CHECKPOINT, _options(cell)
    made = []
    if cell.rung.cached:
        asked = (source, str(cell.folder / ANSWERS))
        seed = ("--seed", str(cell.seed))
        made = [Command("tools/cache_teacher.py", asked, options=(*seed, *told, *options))]
    made += [
        Command("tools/train_cls.py", (source,), options=(*flags, *options)),
        Command("tools/export_backbone.py", (), last, (backbone, "--force")),
    ]
    if not cell.tunes:
        test = (*_metrics(cell), *_logs(cell), *options)
        made.append(Command("tools/test_cls.py", (source,), last, test))
    return made


def _training(cell: Cell, resume: bool) -> tuple[str, ...]:
    return (*_logs(cell), "--seed", str(cell.seed), *(("--resume",) if resume else ()))


def _logs(cell: Cell) -> tuple[str, ...]:
    return ("--work-dir", str(cell.folder))


def _metrics(cell: Cell) -> tuple[str, ...]:
    return ("--out", str(cell.folder / METRICS))


def _options(cell: Cell) -> tuple[str, ...]:
    return ("--cfg-options", *cell.cfg_options) if cell.cfg_options else ()
