"""Names in a ladder's folder and the words of its records; docs/files.md explains the files.

``ladder.json`` is the plan.  ``seed<S>/<rung>/<task>/`` is the folder of a cell; a rung's
pretraining is in ``seed<S>/<rung>/pretraining/``.  The runs that a recipe's values are chosen from
are in ``tuning/seed<S>/<rung>/<task>/<values>/``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol, get_args

from bag_of_transfer.engine.arguments import SCRATCH
from bag_of_transfer.engine.run_files import (
    ANSWERS,
    CURVE,
    LAST_CHECKPOINT,
    METRICS,
    RESOLVED_CONFIG,
    TRICKS,
)
from bag_of_transfer.engine.tasks import Phase, tasks_in

__all__ = [
    "ANSWERS",
    "AS_STATED",
    "BACKBONE",
    "BEGUN",
    "CARD",
    "CURVE",
    "FLAT_CONFIG",
    "LAST_CHECKPOINT",
    "LOCK",
    "LOG",
    "METRICS",
    "PER_IMAGE",
    "PICTURES",
    "PLAN",
    "PREDICTIONS",
    "PRETRAINING",
    "RECORD",
    "REPLACED",
    "RESOLVED_CONFIG",
    "RUNG_KINDS",
    "SCHEMA",
    "SCRATCH",
    "SEED_KINDS",
    "SELECTIONS",
    "SOURCES",
    "TASK_KINDS",
    "TRICKS",
    "TRUTH",
    "TUNING",
    "RungKind",
    "SeedKind",
    "Selection",
    "Source",
    "cell_key",
    "is_folder_name",
    "names_in",
    "records",
    "seed_folder",
    "selection_of",
    "tuning_records",
]

SCHEMA = 1  # of the plan and of every cell's record

# In the ladder's folder.
PLAN, LOCK = "ladder.json", ".lock"
PICTURES = "pictures"  # a cell's folder has one, too
TRUTH = "truth"  # pictures of the ground truth, by task
REPLACED = "replaced"  # earlier results of cells that were run again
TUNING = "tuning"  # cells whose scores on val choose the values of a recipe
AS_STATED = "as_stated"  # there, a pretraining whose values are not tuned

# In a cell's folder: first what the ladder writes, then what its tools write there in addition
# to the files of every run.
RECORD, BEGUN, LOG = "cell.json", "begun.json", "log.txt"
PER_IMAGE, PREDICTIONS = "per_image.npz", "predictions"
BACKBONE, CARD = "backbone.safetensors", "backbone.json"
# Published results hold the config as flat JSON: a repository's tools would treat .py as code.
FLAT_CONFIG = "resolved_config.json"

# A rung starts from random weights or from a source: a pretraining config, a backbone file, or a
# public model.
RungKind = Literal["scratch", "config", "file", "model"]
Source = Literal["config", "file", "model"]
RUNG_KINDS: tuple[RungKind, ...] = get_args(RungKind)
SOURCES: tuple[Source, ...] = get_args(Source)

PRETRAINING = "pretraining"  # of a pretraining, in place of a task's name
TASK_KINDS = tuple(task.name for task in tasks_in(Phase.FINE_TUNING))

# matched: backbone k was pretrained with seed k; shared: one backbone serves all seeds.
SeedKind = Literal["matched", "shared"]
SEED_KINDS: tuple[SeedKind, ...] = get_args(SeedKind)
# Which checkpoint is tested: the last one, or the best on val.
Selection = Literal["last", "val"]
SELECTIONS: tuple[Selection, ...] = get_args(Selection)


class _Task(Protocol):
    @property
    def published_split(self) -> bool: ...


def selection_of(task: _Task | None, selection: Selection) -> Selection:
    """Return which checkpoint of a task is tested.

    Args:
        task: The task; None for a pretraining, whose test split may be its val split.
        selection: The ladder's setting.

    Returns:
        ``"val"``, the best on val, if the ladder picks on val and the task's val and test have
        different images; else ``"last"``.
    """
    return "last" if task is None or task.published_split else selection


def is_folder_name(name: str) -> bool:
    """Return whether a rung or a task may have the name: letters, digits, - and _."""
    return name.replace("_", "").replace("-", "").isalnum()


def seed_folder(seed: int) -> str:
    """Return the name of the folder that holds a seed's cells."""
    return f"seed{seed}"


def cell_key(rung: str, task: str, seed: int, tried: str = "") -> str:
    """Return a cell's folder, relative to the ladder's: ``seed0/b_standard/detection``.

    Args:
        rung: The rung.
        task: The task, or ``PRETRAINING``.
        seed: The seed.
        tried: Of a run of a search the values that it tries; "" for a cell of the tables.
    """
    key = f"{seed_folder(seed)}/{rung}/{task}"
    return f"{TUNING}/{key}/{tried}" if tried else key


def names_in(key: str) -> tuple[str, str]:
    """Return the rung and the task in a cell's key."""
    _, rung, task, *_ = key.removeprefix(f"{TUNING}/").split("/")
    return rung, task


def records(root: Path) -> Iterator[Path]:
    """Yield the records of a ladder's cells, those of searches first."""
    yield from tuning_records(root)
    yield from sorted(root.glob(f"seed*/*/*/{RECORD}"))


def tuning_records(root: Path) -> Iterator[Path]:
    """Yield the records of a ladder's cells that choose the values of a recipe."""
    yield from sorted(root.glob(f"{TUNING}/seed*/*/*/*/{RECORD}"))
