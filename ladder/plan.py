"""From a ladder config to the cells that have to be run, and the commands of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from engine.errors import UserError

__all__ = ["SCRATCH", "Cell", "plan"]

SCRATCH = "scratch"
PRETRAINING = "pretraining"

Command = tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One run: a rung's pretraining, or a rung fine-tuned for a task, with one seed."""

    rung: str
    task: str
    seed: int
    folder: Path
    config: Path
    commands: tuple[Command, ...]

    @property
    def result(self) -> Path:
        """The file whose presence says that the cell is complete."""
        return self.folder / "test.json"

    @property
    def name(self) -> str:
        """Short name for progress lines."""
        return f"{self.rung} / {self.task} / seed {self.seed}"


def plan(cfg: Config, folder: Path) -> list[Cell]:
    """List all cells, teachers before students and backbones before fine-tuning.

    Backbone k is pretrained with seed k and fine-tuned with seed k, so that seeds are
    independent repeats of the whole chain.

    Raises:
        UserError: If a config is missing, or a teacher is no earlier rung.
    """
    _check(cfg)
    cells: list[Cell] = []
    for seed in cfg.seeds:
        for rung, pretraining in cfg.rungs.items():
            if pretraining:
                cells.append(_pretraining(cfg, folder, rung, seed))
        for rung in cfg.rungs:
            cells.extend(_fine_tuning(cfg, folder, rung, seed))
    return cells


def _check(cfg: Config) -> None:
    seen: set[str] = set()
    for rung, pretraining in cfg.rungs.items():
        teacher = (pretraining or {}).get("teacher")
        if teacher is not None and teacher not in seen:
            mend = f"name a rung that stands above it ({', '.join(seen) or 'none does'})"
            raise UserError(f"no earlier rung is called {teacher!r}", f"rungs.{rung}.teacher", mend)
        if pretraining:
            _existing(pretraining.config, f"rungs.{rung}.config")
            seen.add(rung)
    for task, config in cfg.tasks.items():
        _existing(config, f"tasks.{task}")


def _existing(config: str, key: str) -> None:
    if not Path(config).is_file():
        raise UserError(f"no such config: {config}", key, "name a file, seen from where you stand")


def _folder(folder: Path, rung: str, task: str, seed: int) -> Path:
    return folder / f"seed{seed}" / rung / task


def _backbone(folder: Path, rung: str, seed: int) -> str:
    return str(_folder(folder, rung, PRETRAINING, seed) / "backbone.safetensors")


def _train(tool: str, config: str, own: Path, seed: int) -> list[str]:
    command = [f"tools/{tool}", config, "--work-dir", str(own), "--seed", str(seed)]
    return [*command, "--resume"] if (own / "last_checkpoint").exists() else command


def _pretraining(cfg: Config, folder: Path, rung: str, seed: int) -> Cell:
    stated = cfg.rungs[rung]
    own = _folder(folder, rung, PRETRAINING, seed)
    last = str(own / "last_checkpoint")
    options: tuple[str, ...] = tuple(stated.get("cfg_options") or ())
    if stated.get("teacher"):
        teacher = _folder(folder, stated.teacher, PRETRAINING, seed) / "last_checkpoint"
        options = (*options, f"model.distillation.teacher.checkpoint={teacher}")
    train = _train("train_cls.py", stated.config, own, seed)
    commands = (
        (*train, *(("--cfg-options", *options) if options else ())),
        ("tools/export_backbone.py", last, _backbone(folder, rung, seed), "--force"),
        ("tools/test_cls.py", stated.config, last, "--out", str(own / "test.json")),
    )
    return Cell(rung, PRETRAINING, seed, own, Path(stated.config), commands)


def _fine_tuning(cfg: Config, folder: Path, rung: str, seed: int) -> Iterator[Cell]:
    start = _backbone(folder, rung, seed) if cfg.rungs[rung] else SCRATCH
    for task, config in cfg.tasks.items():
        own = _folder(folder, rung, task, seed)
        last = str(own / "last_checkpoint")
        commands = (
            (*_train("train.py", config, own, seed), "--backbone", start),
            (
                *("tools/test.py", config, last, "--out", str(own / "test.json")),
                *("--dump-predictions", str(own / "predictions")),
            ),
        )
        yield Cell(rung, task, seed, own, Path(config), commands)
