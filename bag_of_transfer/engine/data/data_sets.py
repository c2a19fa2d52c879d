"""Check the data of every split before the first step: what training and evaluation need.

Our own data sets check themselves while they are built.  Those of mmdet and mmsegmentation drop
what they do not understand, so what they have made of the files is checked afterwards.

Training needs no test split: it is checked if its list or folder exists, and otherwise one line
says that it does not.
"""

import contextlib
import gc
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import DATASETS, HOOKS, init_default_scope
from mmengine.runner import Runner

from bag_of_transfer.engine.config_nodes import leaves_of
from bag_of_transfer.engine.data.class_names import check_same_classes
from bag_of_transfer.engine.data.judge_checks import check_described_judges, check_judges
from bag_of_transfer.engine.errors import NoTruthError, UserError, mistake_in
from bag_of_transfer.engine.tasks import check_module

__all__ = [
    "LookAtSplits",
    "build_dataset",
    "built",
    "check_dataset",
    "check_parts",
    "data_mistakes",
    "file_of",
    "leave_imports_uncollected",
    "missing_places",
    "only_formats",
    "parts_of",
    "stated_elsewhere",
    "test_split",
    "tests_on_val",
]

# What the libraries' data sets raise when a file is not as they expect.
DATA_ERRORS = (
    *(FileNotFoundError, NotADirectoryError, IsADirectoryError, LookupError, ValueError, TypeError),
    *(AttributeError, AssertionError, SyntaxError, RecursionError),
)


@cache
def leave_imports_uncollected() -> None:
    """Keep the garbage collector from walking over imported objects; done once in a process.

    mmengine's data sets collect garbage when they are built, and take 0.3 to 0.5 s each time to
    walk over the objects of torch, mmdet and mmsegmentation, which stay anyway.
    """
    gc.freeze()


def build_dataset(dataset_cfg: dict[str, Any], scope: str) -> Any:
    """Build a data set and check it.

    Raises:
        UserError: If its data is missing or contradicts itself.
    """
    init_default_scope(scope)
    leave_imports_uncollected()
    with data_mistakes(dataset_cfg):
        check_dataset(dataset := built(dataset_cfg))
    return dataset


def built(described: Mapping[str, Any]) -> Any:
    """Return the data set of a description, with all its annotations read."""
    dataset = DATASETS.build(described)
    if hasattr(dataset, "full_init"):
        dataset.full_init()
    return dataset


def file_of(dataset: Any, index: int) -> str:
    """Return the file of an image, as ImageFolder or a data set of mmdet or mmseg names it."""
    if hasattr(dataset, "path"):
        return str(dataset.path(index))
    described = dataset.get_data_info(index) if hasattr(dataset, "get_data_info") else {}
    return str(described.get("img_path", ""))


def check_dataset(dataset: Any) -> None:
    """Check what a data set of mmdet or mmsegmentation has made of its files, wrapped or not.

    Raises:
        UserError: If boxes or labels would be lost or misread, or no part has any that count.
    """
    check_parts([part for part in parts_of(dataset) if not getattr(part, "is_part", False)])


def check_parts(parts: Sequence[Any]) -> None:
    """Check data sets that are used together, as :func:`check_dataset` does.

    Raises:
        UserError: If boxes or labels would be lost or misread, or no part has any that count.
    """
    empty = []
    for part in parts:
        try:
            _check(part)
        except NoTruthError as error:
            empty.append(error)
    if empty and len(empty) == len(parts):
        raise empty[0]


def _check(part: Any) -> None:
    module = check_module(type(part), "checks")
    if module:
        import_module(module).check(part)


def parts_of(dataset: Any) -> Iterator[Any]:
    """Yield the data sets inside wrappers (repeated, joined, mixed)."""
    inner = getattr(dataset, "datasets", None) or [getattr(dataset, "dataset", None)]
    if inner == [None]:
        yield dataset
    else:
        for part in inner:
            yield from parts_of(part)


@contextlib.contextmanager
def data_mistakes(dataset_cfg: Any) -> Iterator[None]:
    """Turn what a library's data set raises while it is built into a mistake in the data.

    Raises:
        UserError: In place of the library's error.
    """
    try:
        yield
    except DATA_ERRORS as error:
        mistake = mistake_in(error)
        if mistake:
            raise mistake from error
        lines = str(error).strip().splitlines() or [""]
        what = f"the data set cannot be built ({type(error).__name__}: {lines[0][:200]})"
        mend = "mend the file or the data set's arguments; --debug shows where"
        raise UserError(what, _place(dataset_cfg), mend) from error


def _place(dataset_cfg: Any) -> object:
    if isinstance(dataset_cfg, Mapping):
        return next(_places(dataset_cfg), dataset_cfg.get("type", "dataset"))
    return "dataset"


def _places(dataset_cfg: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the list, file or folder of each part of a split.

    Where they are in another file, the data set's class tells them (``split_places``).
    """
    for _, leaf in leaves_of(dataset_cfg):
        known = _class_of(leaf)
        if hasattr(known, "split_places"):
            yield from known.split_places(leaf)
        else:
            root = leaf.get("data_root") or leaf.get("root") or ""
            yield Path(root, leaf.get("ann_file") or leaf.get("split") or "").expanduser()


def _class_of(dataset_cfg: Mapping[str, Any]) -> Any:
    kind = dataset_cfg.get("type")
    with DATASETS.switch_scope_and_registry(None) as registry:
        return registry.get(kind) if isinstance(kind, str) else kind


def stated_elsewhere(dataset_cfg: Mapping[str, Any]) -> list[Path]:
    """Return the files and folders of a data set that only another file of it names.

    Args:
        dataset_cfg: The description of one data set, without wrappers.

    Raises:
        UserError: If that file cannot be read.
    """
    known = _class_of(dataset_cfg)
    return known.read_places(dataset_cfg) if hasattr(known, "read_places") else []


@HOOKS.register_module()
class LookAtSplits(Hook):
    """Check validation and test, data and metrics, once all is built, before the first step.

    Attributes:
        test_set: The test split, for hooks that come later, as long as no step is done; None if
            none was read.
    """

    test_set: Any = None

    def before_train(self, runner: Runner) -> None:
        """Check both splits.

        Raises:
            UserError: If a split cannot be judged, or has other classes than the training data.
        """
        cfg = runner.cfg
        if runner.val_loop is not None:
            dataset = runner.val_loop.dataloader.dataset
            check_dataset(dataset)
            check_same_classes(cfg.classes, dataset, "val")
            check_judges(getattr(runner.val_loop, "evaluator", None), dataset)
        test = test_split(cfg)
        if test is not None:
            self.test_set = build_dataset(test, cfg.default_scope)
            check_same_classes(cfg.classes, self.test_set, "test")
            check_described_judges(cfg, "test_evaluator", self.test_set)

    def before_train_epoch(self, runner: Runner) -> None:
        """Let go of the test split, which training does not need."""
        self.test_set = None


def test_split(cfg: Mapping[str, Any]) -> Any:
    """Return the description of the test split, if there is one with truth that is not val's.

    A line says if its list or folder is missing.
    """
    test = (cfg.get("test_dataloader") or {}).get("dataset")
    if test is None or tests_on_val(cfg) or only_formats(cfg.get("test_evaluator")):
        return None  # of a test that only formats, a server has the truth
    absent = missing_places(test)
    if absent:
        print_log(f"the test split is missing, so it is not checked: {absent[0]}", logger="current")
    return None if absent else test


def tests_on_val(cfg: Mapping[str, Any]) -> bool:
    """Return whether the test split is that of validation."""
    val, test = (cfg.get(f"{name}_dataloader") or {} for name in ("val", "test"))
    return test.get("dataset") is not None and test["dataset"] == val.get("dataset")


def missing_places(dataset_cfg: Mapping[str, Any]) -> list[Path]:
    """Return the lists, files or folders of a split that do not exist."""
    return [path for path in _places(dataset_cfg) if not path.exists()]


def only_formats(evaluator: Any) -> bool:
    """Return whether results are only written, for a server that has the truth."""
    metrics = evaluator if isinstance(evaluator, list | tuple) else [evaluator or {}]
    return any(metric.get("format_only") for metric in metrics)
