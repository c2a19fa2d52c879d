"""The cells of a ladder: what each one needs, and the commands that make it."""

from dataclasses import dataclass
from pathlib import Path

from bag_of_transfer.ladder.folder import (
    ANSWERS,
    BACKBONE,
    LAST_CHECKPOINT,
    METRICS,
    PER_IMAGE,
    PREDICTIONS,
    PRETRAINING,
    SCRATCH,
    Selection,
    cell_key,
)
from bag_of_transfer.ladder.plan.spec import Ladder, Rung, Task, selection_of

__all__ = ["Cell", "Command", "commands", "plan"]


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
    """

    rung: Rung
    task: Task | None
    seed: int
    backbone_seed: int | None
    needs: tuple[str, ...]
    root: Path

    @property
    def key(self) -> str:
        """The cell's folder, relative to the ladder's: ``seed0/b_standard/detection``."""
        return cell_key(self.rung.name, self.task.name if self.task else PRETRAINING, self.seed)

    @property
    def folder(self) -> Path:
        """The folder that holds all files of the cell."""
        return self.root / self.key

    @property
    def kind(self) -> str:
        """``"cls"``, ``"det"`` or ``"seg"``."""
        return self.task.kind if self.task else "cls"

    @property
    def config(self) -> Path | None:
        """The config that it trains; None if weights are only copied or converted."""
        if self.task:
            return self.task.config
        return Path(self.rung.source) if self.rung.kind == "config" else None

    @property
    def cfg_options(self) -> tuple[str, ...]:
        """Overrides of that config."""
        if self.task is None and self.rung.teacher:
            checkpoint = self.root / self.needs[0] / LAST_CHECKPOINT
            teacher = f"model.distillation.teacher.checkpoint={checkpoint}"
            cache = f"model.distillation.cache={self.folder / ANSWERS}"
            return (*self.rung.cfg_options, teacher, *([cache] if self.rung.cached else []))
        return self.task.cfg_options if self.task else self.rung.cfg_options

    @property
    def start(self) -> str:
        """The value of ``--backbone``: a file, or scratch."""
        return str(self.root / self.needs[0] / BACKBONE) if self.needs else SCRATCH


def plan(ladder: Ladder, root: Path) -> list[Cell]:
    """List all cells, seed by seed: teachers before students, backbones before fine-tuning."""
    cells: dict[str, Cell] = {}
    for seed in ladder.seeds:
        for rung in ladder.rungs:
            for cell in _pretraining(ladder, rung, seed, root):
                cells.setdefault(cell.key, cell)
        for rung in (rung for rung in ladder.rungs if not rung.teaches_only):
            needs = _backbone_of(ladder, rung, seed)
            backbone_seed = _seed_of(ladder, rung, seed) if needs else None
            for task in ladder.tasks:
                cell = Cell(rung, task, seed, backbone_seed, needs, root)
                cells[cell.key] = cell
    return list(cells.values())


def _seed_of(ladder: Ladder, rung: Rung, seed: int) -> int:
    return ladder.shared_seed if rung.seeds == "shared" else seed


def _backbone_of(ladder: Ladder, rung: Rung, seed: int) -> tuple[str, ...]:
    if rung.kind == SCRATCH:
        return ()
    return (cell_key(rung.name, PRETRAINING, _seed_of(ladder, rung, seed)),)


def _pretraining(ladder: Ladder, rung: Rung, seed: int, root: Path) -> list[Cell]:
    """Return a rung's pretraining, after its teacher's; ``shared_seed`` may be its seed."""
    if rung.kind == SCRATCH:
        return []
    seed = _seed_of(ladder, rung, seed)
    teacher = next((other for other in ladder.rungs if other.name == rung.teacher), None)
    teachers = _pretraining(ladder, teacher, seed, root) if teacher else []
    needs = tuple(cell.key for cell in teachers[-1:])
    return [*teachers, Cell(rung, None, seed, seed, needs, root)]


def commands(cell: Cell, selection: Selection, resume: bool = False) -> list[Command]:
    """Return the commands that make a cell, in their order.

    Args:
        cell: A cell of :func:`plan`.
        selection: Which checkpoint the ladder tests.
        resume: Continue from the newest checkpoint in the cell's folder.
    """
    folder, last = cell.folder, cell.folder / LAST_CHECKPOINT
    logs = ("--work-dir", str(folder))
    metrics = ("--out", str(folder / METRICS))
    train = (*logs, "--seed", str(cell.seed), *(("--resume",) if resume else ()))
    options = ("--cfg-options", *cell.cfg_options) if cell.cfg_options else ()
    if cell.task:
        config = (str(cell.task.config),)
        picked = selection_of(cell.task, selection) == "val"
        kept = ("--per-image", str(folder / PER_IMAGE))
        dumped = ("--dump-predictions", str(folder / PREDICTIONS))
        train += ("--backbone", cell.start, *options)
        test = (*metrics, *kept, *dumped, *logs, *options)
        tested = folder / "best" if picked else last
        return [
            Command("tools/train.py", config, options=train),
            Command("tools/test.py", config, tested, test, picked_on_val=picked),
        ]
    backbone, source = str(folder / BACKBONE), cell.rung.source
    if cell.rung.kind == "model":
        return [Command("tools/convert_weights.py", (source, backbone), options=("--force",))]
    if cell.rung.kind == "file":
        return []  # bag_of_transfer.ladder.run.cell_process copies it
    asked = (source, str(folder / ANSWERS))
    seed = ("--seed", str(cell.seed))
    return [
        *(
            [Command("tools/cache_teacher.py", asked, options=(*seed, *options))]
            if cell.rung.cached
            else []
        ),
        Command("tools/train_cls.py", (source,), options=(*train, *options)),
        Command("tools/export_backbone.py", (), last, (backbone, "--force")),
        Command("tools/test_cls.py", (source,), last, (*metrics, *logs, *options)),
    ]
