"""The splits of a config as their data sets have read them, and what building them has said."""

import contextlib
import logging
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.logging import MMLogger

from bag_of_transfer.data_checks.kinds import ERROR, STRUCTURE, WARNING, Finding
from bag_of_transfer.engine.data import class_names, data_sets, held_out, own_metrics
from bag_of_transfer.engine.data.mask_reader import labels_of
from bag_of_transfer.engine.data.own_readers import read_with_ours
from bag_of_transfer.engine.data.splits import check_splits
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import task_named

__all__ = [
    "LEARNED",
    "PRETRAINING",
    "Box",
    "Example",
    "Split",
    "build_splits",
    "listening",
    "split_of",
]

SEE_DOCS = "see docs/data_checks.md"
PRETRAINING = "pretraining"  # the images of which a backbone was trained, as a split
NUMBERING = ("reduce_zero_label", "label_map")  # what a data set of mmseg's kind says of an image
LEARNED = (PRETRAINING, "train")


class Box(NamedTuple):
    """A box as a data set gives it, with the number of its class.

    One that is ignored (difficult, a crowd, too small) is neither learned nor counted.
    """

    xyxy: tuple[float, ...]
    label: int
    is_ignored: bool = False


class Example(NamedTuple):
    """An image of a data set with its truth.

    Args:
        path: The image's file.
        folder: The folder of its data, whose ledger knows the file.
        label: The class of the whole image; None where images have none.
        boxes: Its boxes; None where images have none.
        mask: The file of its mask; None where images have none.
        numbering: How its mask's values become labels: ``reduce_zero_label`` and ``label_map``.
        annotation: The file of its boxes alone; None where there is none.
        numbers: Of each box, its number among the objects of that file, from 0.
    """

    path: Path
    folder: Path
    label: int | None = None
    boxes: tuple[Box, ...] | None = None
    mask: Path | None = None
    numbering: Mapping[str, Any] = MappingProxyType({})
    annotation: Path | None = None
    numbers: tuple[int, ...] = ()

    def truth(self, hashes: Mapping[Path, str]) -> Hashable:
        """Return what is the same for images with the same truth; ``hashes`` are of masks."""
        if self.mask is not None:
            return hashes.get(self.mask)
        return self.label if self.boxes is None else tuple(sorted(self.boxes))

    def joined(self, other: "Example") -> "Example":
        """Return the same image as another list has it, with the boxes of both."""
        if self.boxes is None or other.boxes is None:
            return other
        if self.annotation is not None and self.annotation == other.annotation:
            return other  # one file, read twice
        new = tuple(box for box in other.boxes if box not in self.boxes)
        return self._replace(boxes=self.boxes + new, annotation=None, numbers=())

    def labels(self, values: Sequence[int]) -> list[int]:
        """Return the labels of its mask's values, as training gets them."""
        labels: list[int] = labels_of(np.array(values, np.int64), self.numbering).tolist()
        return labels


class Split(NamedTuple):
    """A split: its name, its classes, its images (each file once), and the data sets inside."""

    name: str
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    parts: tuple[Any, ...]


def build_splits(cfg: Config) -> tuple[list[Split], list[Finding]]:
    """Build the data sets of a config, each with all its checks, as at the start of a training.

    Args:
        cfg: From ``load_config``; changed.

    Returns:
        The splits that can be built, and what building says of the others or warns of.
    """
    findings: list[Finding] = []
    splits: list[Split] = []
    trained: tuple[str, ...] = ()
    with _noting(findings, "train"):
        own_metrics.judge_in_percent(cfg)
        held_out.hold_out(cfg)
        check_splits(cfg)
        read_with_ours(cfg)
        dataset = data_sets.build_dataset(held_out.training_images(cfg), cfg.default_scope)
        trained = class_names.classes_of(dataset)
        splits.append(split_of("train", dataset))
        if task_named(cfg.task).needs_several_classes:
            class_names.check_several_classes(trained, cfg.train_dataloader.dataset)
    for name in ("val", "test"):
        with _noting(findings, name):
            described = _described(cfg, name)
            if described is not None:
                dataset = data_sets.build_dataset(described, cfg.default_scope)
                splits.append(split_of(name, dataset))
                class_names.check_same_classes(trained or splits[-1].classes, dataset, name)
    return splits, findings


def split_of(name: str, dataset: Any) -> Split:
    """Return a data set that is built as a split."""
    parts = tuple(data_sets.parts_of(dataset))
    examples: dict[Path, Example] = {}
    for example in (each for part in parts for each in _examples(part)):
        known = examples.get(example.path)
        examples[example.path] = known.joined(example) if known else example
    return Split(name, class_names.classes_of(dataset), tuple(examples.values()), parts)


def _described(cfg: Config, name: str) -> Any:
    if name == "test":
        return data_sets.test_split(cfg)
    return (cfg.get("val_dataloader") or {}).get("dataset")


def _examples(part: Any) -> Iterator[Example]:
    if not hasattr(part, "get_data_info"):
        return  # a data set of the user's that does not tell its files
    infos = [part.get_data_info(index) for index in range(len(part))]
    infos = [info for info in infos if info.get("img_path")]
    folder = _folder(part, infos)
    for info in infos:
        boxes = info.get("instances")
        mask = info.get("seg_map_path")
        yield Example(
            Path(info["img_path"]),
            folder,
            info.get("gt_label"),
            None if boxes is None else tuple(_box(box) for box in boxes),
            None if mask is None else Path(mask),
            {key: info[key] for key in NUMBERING if info.get(key)},
            Path(info["annotation"]) if info.get("annotation") else None,
            tuple(info.get("numbers", ())),
        )


def _box(instance: Mapping[str, Any]) -> Box:
    corners = tuple(float(x) for x in instance["bbox"])
    return Box(corners, int(instance["bbox_label"]), bool(instance.get("ignore_flag")))


def _folder(part: Any, infos: Sequence[Mapping[str, Any]]) -> Path:
    """Return the folder that a data set calls its own, or that of all its files."""
    stated = getattr(part, "data_root", None) or getattr(part, "root", None)
    if stated:
        return Path(stated)
    files = [info.get(key) for info in infos for key in ("img_path", "seg_map_path")]
    folders = {os.path.dirname(os.path.abspath(file)) for file in files if file}
    return Path(os.path.commonpath(folders)) if folders else Path()


@contextlib.contextmanager
def listening(findings: list[Finding], split: str) -> Iterator[None]:
    """Turn warnings into findings of a split; nothing is printed meanwhile."""
    logger = MMLogger.get_current_instance()
    handlers, listener = logger.handlers, _Listener()
    logger.handlers = [listener]
    try:
        yield
    finally:
        logger.handlers = handlers
        for message in dict.fromkeys(listener.messages):
            where, _, what = message.partition(": ")
            known = Path(where).exists()
            file, detail = (where, what) if known else (f"{split}_dataloader", message)
            findings.append(Finding(STRUCTURE, WARNING, split, file, "", detail, SEE_DOCS))


@contextlib.contextmanager
def _noting(findings: list[Finding], split: str) -> Iterator[None]:
    """Turn warnings and a mistake into findings of a split."""
    try:
        with listening(findings, split):
            yield
    except UserError as error:
        file, place = _file_and_line(error.where)
        findings.append(Finding(STRUCTURE, ERROR, split, file, place, error.what, error.mend))


def _file_and_line(where: str) -> tuple[str, str]:
    """Divide FILE:LINE, as errors name a line of a file."""
    file, _, number = where.rpartition(":")
    return (file, f"line {number}") if number.isdigit() and Path(file).exists() else (where, "")


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
