"""From a ladder to its cells: what each one needs, and the commands that make it."""

from dataclasses import dataclass
from pathlib import Path

from bag_of_transfer.ladder.folder import (
    BACKBONE,
    LAST_CHECKPOINT,
    METRICS,
    PER_IMAGE,
    PREDICTIONS,
    PRETRAINING,
    SCRATCH,
    CellKind,
    Selection,
    cell_key,
)
from bag_of_transfer.ladder.plan.spec import Ladder, Rung, Task, selection_of

__all__ = ["Cell", "Command", "commands", "plan"]


@dataclass(frozen=True)
class Command:
    """One call of a tool of this toolkit.

    Args:
        tool: Its file, seen from the repository.
        inputs: Its first arguments: a config, or files.
        checkpoint: The checkpoint that it tests or exports; stands behind these.
        options: The other arguments.
        picked_on_val: The checkpoint is the best on val, whose name is known only after training:
            ``checkpoint`` is ``best`` in the cell's folder until then.
    """

    tool: str
    inputs: tuple[str, ...]
    checkpoint: Path | None = None
    options: tuple[str, ...] = ()
    picked_on_val: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The command line, from the tool on."""
        checkpoint = (str(self.checkpoint),) if self.checkpoint else ()
        return (self.tool, *self.inputs, *checkpoint, *self.options)


@dataclass(frozen=True)
class Cell:
    """One run: a rung's pretraining (or conversion), or a rung fine-tuned for a task.

    Args:
        rung: The rung.
        task: The task; None for the rung's pretraining.
        seed: Of this run.
        backbone_seed: Of the pretraining that it starts from; None where there is none.
        needs: Keys of the cells that must be done before: backbone, or teacher.
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
        """Its folder, seen from the ladder's: ``seed0/b_standard/detection``."""
        return cell_key(self.rung.name, self.task.name if self.task else PRETRAINING, self.seed)

    @property
    def folder(self) -> Path:
        """Where everything of it lies."""
        return self.root / self.key

    @property
    def kind(self) -> CellKind:
        """``"cls"``, ``"det"`` or ``"seg"``."""
        return self.task.kind if self.task else "cls"

    @property
    def config(self) -> Path | None:
        """The config that it trains; None where weights are only copied or converted."""
        if self.task:
            return self.task.config
        return Path(self.rung.source) if self.rung.kind == "config" else None

    @property
    def cfg_options(self) -> tuple[str, ...]:
        """Overrides of that config."""
        if self.task is None and self.rung.teacher:
            checkpoint = self.root / self.needs[0] / LAST_CHECKPOINT
            teacher = f"model.distillation.teacher.checkpoint={checkpoint}"
            return (*self.rung.cfg_options, teacher)
        return self.task.cfg_options if self.task else self.rung.cfg_options

    @property
    def start(self) -> str:
        """What ``--backbone`` gets: a file, or scratch."""
        return str(self.root / self.needs[0] / BACKBONE) if self.needs else SCRATCH


def plan(ladder: Ladder, root: Path) -> list[Cell]:
    """List all cells, seed by seed: teachers before students, backbones before fine-tuning."""
    cells: dict[str, Cell] = {}
    for seed in ladder.seeds:
        for rung in ladder.rungs:
            for cell in _pretraining(ladder, rung, seed, root):
                cells.setdefault(cell.key, cell)
        for rung in (one for one in ladder.rungs if not one.teaches_only):
            needs = _backbone_of(ladder, rung, seed)
            of = None if not needs else _seed_of(ladder, rung, seed)
            for task in ladder.tasks:
                tuned = Cell(rung, task, seed, of, needs, root)
                cells[tuned.key] = tuned
    return list(cells.values())


def _seed_of(ladder: Ladder, rung: Rung, seed: int) -> int:
    return ladder.shared_seed if rung.seeds == "shared" else seed


def _backbone_of(ladder: Ladder, rung: Rung, seed: int) -> tuple[str, ...]:
    if rung.kind == SCRATCH:
        return ()
    return (cell_key(rung.name, PRETRAINING, _seed_of(ladder, rung, seed)),)


def _pretraining(ladder: Ladder, rung: Rung, seed: int, root: Path) -> list[Cell]:
    """A rung's pretraining behind its teacher's, of a seed that may be none of the ladder's."""
    if rung.kind == SCRATCH:
        return []
    own = _seed_of(ladder, rung, seed)
    teacher = next((one for one in ladder.rungs if one.name == rung.teacher), None)
    before = _pretraining(ladder, teacher, own, root) if teacher else []
    return [*before, Cell(rung, None, own, own, tuple(cell.key for cell in before[-1:]), root)]


def commands(cell: Cell, selection: Selection, resume: bool = False) -> list[Command]:
    """Return the commands that make a cell, in their order.

    Args:
        cell: Of :func:`plan`.
        selection: The ladder's.
        resume: Go on from the newest checkpoint in the cell's folder.
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
    return [
        Command("tools/train_cls.py", (source,), options=(*train, *options)),
        Command("tools/export_backbone.py", (), last, (backbone, "--force")),
        Command("tools/test_cls.py", (source,), last, (*metrics, *logs, *options)),
    ]
