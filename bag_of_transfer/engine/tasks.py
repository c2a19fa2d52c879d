"""The tasks, with one record each: what follows from a config's ``default_scope``.

A new task is a record here and a package with its data and metrics.  The package completes its
record when it is imported (:func:`complete`): this module imports neither tasks nor slow modules.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal, NamedTuple

from bag_of_transfer.engine.errors import UserError

__all__ = [
    "ROOT_SCOPE",
    "ImageSize",
    "Judge",
    "Phase",
    "Preprocessor",
    "ResultKind",
    "Task",
    "all_tasks",
    "check_module",
    "complete",
    "default_scope",
    "find_task",
    "task_named",
    "tasks_in",
]

ROOT_SCOPE = "mmengine"  # the scope of a config that states none
# What a trained network gives for an image; prediction and the ladder's pictures know each kind.
ResultKind = Literal["classes", "boxes", "mask"]
# What the knob image_size states: what a classifier sees, to which (long, short) sides a detector's
# images are resized, a segmenter's crop.
ImageSize = Literal["input", "resize", "crop"]


class Phase(Enum):
    """The phases of the work; the value says which configs go to which tools."""

    PRETRAINING = "a classifier's config goes to train_cls.py and test_cls.py"
    FINE_TUNING = "detection and segmentation configs go to train.py and test.py"


class Judge(NamedTuple):
    """A metric of this toolkit that replaces one of mmdet or mmsegmentation.

    Args:
        type: Its name in the registry.
        module: Where it is registered.
        kept: Arguments of theirs that ours takes, too.
        same: The other arguments of theirs, each with the values with which ours measures the same.
        renamed: Our names of metrics by theirs, for ``save_best`` and monitors.
        note: Returns what a line is to say of the replacement, from the config and the description
            of theirs; "" for nothing.
    """

    type: str
    module: str
    kept: frozenset[str]
    same: Mapping[str, tuple[Any, ...]]
    renamed: dict[str, str]
    note: Callable[[Mapping[str, Any], Mapping[str, Any]], str] | None = None


class Preprocessor(NamedTuple):
    """A preprocessor of ours for any number of channels; mmengine's takes one or three.

    Args:
        type: Its name in the registry.
        module: Where it is registered.
        stands_for: The type that it replaces.
    """

    type: str
    module: str
    stands_for: str


@dataclass(frozen=True)
class Task:
    """A task and what follows from it; the task's package adds the last six.

    Args:
        name: The name in ``metrics.json`` and other records.
        scope: The ``default_scope`` of its configs, which is the name of its library.
        noun: The name in titles.
        phase: The phase, which decides its tools.
        result: What its networks give for an image.
        image_size: What the knob of this name states.
        packs_samples: Whether its transforms pack data samples, as mmdet's and mmseg's do.
        visualizer: The type that draws its samples, for its library's hooks; "": none.
        dump_argument: The metrics' argument that says where predictions are written; "": none.
        open_head: The part of a model whose ``num_classes`` a config may leave out; "": none.
        needs_several_classes: Whether a single class would leave nothing to learn.
        judges: Metrics of ours by the names of those that they replace.
        checks: Modules whose function ``check`` takes a built data set, by the dotted name of its
            class or of a parent class.  A module is imported when there is such a data set.
        judge_checks: The same for metrics; ``check`` takes a built metric, its data set, and
            whether the metric will be used.
        preprocessor: The preprocessor for images that do not have three channels.
        install_stand_ins: Called before the task's library is imported.
        unheeded_warnings: First words of its library's warnings that no user has to act upon.
    """

    name: str
    scope: str
    noun: str
    phase: Phase
    result: ResultKind
    image_size: ImageSize = "resize"
    packs_samples: bool = True
    visualizer: str = ""
    dump_argument: str = ""
    open_head: str = ""
    needs_several_classes: bool = False
    judges: Mapping[str, Judge] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    judge_checks: Mapping[str, str] = field(default_factory=dict)
    preprocessor: Preprocessor | None = None
    install_stand_ins: Callable[[], object] | None = None
    unheeded_warnings: tuple[str, ...] = ()


_ROWS = (
    Task(
        "cls",
        ROOT_SCOPE,
        "classification",
        Phase.PRETRAINING,
        "classes",
        "input",
        packs_samples=False,
        open_head="head",
        needs_several_classes=True,
    ),
    Task(
        "det",
        "mmdet",
        "detection",
        Phase.FINE_TUNING,
        "boxes",
        visualizer="DetLocalVisualizer",
        dump_argument="results_file",
    ),
    Task(
        "seg",
        "mmseg",
        "segmentation",
        Phase.FINE_TUNING,
        "mask",
        "crop",
        visualizer="SegLocalVisualizer",
        dump_argument="output_dir",
    ),
)
_table = {task.name: task for task in _ROWS}


def complete(name: str, **parts: Any) -> None:
    """Add to a task's record what only its own package knows, by the attributes of :class:`Task`.

    Raises:
        UserError: If there is no such task.
    """
    _table[name] = replace(task_named(name), **parts)


def all_tasks() -> tuple[Task, ...]:
    """Return the tasks; the record of a task is complete once its package is imported."""
    return tuple(_table.values())


def tasks_in(phase: Phase) -> tuple[Task, ...]:
    """Return the tasks of a phase."""
    return tuple(task for task in all_tasks() if task.phase is phase)


def check_module(kind: type, table: Literal["checks", "judge_checks"]) -> str | None:
    """Return the module that checks objects of a class; None if no task has one for it.

    Args:
        kind: The class.
        table: Where the modules are named, an attribute of :class:`Task`.
    """
    known = {name: module for task in all_tasks() for name, module in getattr(task, table).items()}
    names = (f"{one.__module__}.{one.__qualname__}" for one in kind.__mro__)
    return next((known[name] for name in names if name in known), None)


def task_named(name: str) -> Task:
    """Return a task by its name.

    Raises:
        UserError: If there is no such task.
    """
    if name not in _table:
        mend = f"the tasks are {', '.join(_table)}"
        raise UserError(f"no task is called {name!r}", "task", mend)
    return _table[name]


def default_scope(cfg: Mapping[str, Any]) -> str:
    """Return where a config's types are looked up."""
    return str(cfg.get("default_scope") or ROOT_SCOPE)


def find_task(cfg: Mapping[str, Any]) -> Task | None:
    """Return the task of a config; None if its ``default_scope`` belongs to no task.

    Where a library serves several tasks, the config's ``task`` says which; otherwise it is the
    first.
    """
    scope = cfg.get("default_scope", ROOT_SCOPE)
    candidates = [task for task in all_tasks() if task.scope == scope]
    stated = [task for task in candidates if task.name == cfg.get("task")]
    return next(iter([*stated, *candidates]), None)
