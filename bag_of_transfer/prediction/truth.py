"""What annotations say of images: of a config's split, or of a file or folder of annotations."""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from bag_of_transfer.engine.data.class_names import classes_of
from bag_of_transfer.engine.data.data_sets import build_dataset, parts_of
from bag_of_transfer.engine.data.held_out import HELD_OUT, hold_out
from bag_of_transfer.engine.data.mask_reader import ReadMask
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.recipe import class_difference
from bag_of_transfer.engine.tasks import ResultKind, Task
from bag_of_transfer.prediction.inputs import Source, below_what_they_share

__all__ = [
    "SPLITS",
    "TrueBoxes",
    "TrueClass",
    "TrueMask",
    "Truth",
    "Truths",
    "of_split",
    "truth_in",
]

SPLITS = ("test", "val", "train", HELD_OUT)


@dataclass(frozen=True, eq=False)
class TrueBoxes:
    """Annotated objects: N x 4 corners in pixels of the image, N names, N whether ignored."""

    boxes_xyxy: np.ndarray
    names: list[str]
    ignored: list[bool]

    def record(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return the boxes as values for JSON."""
        return {"boxes_xyxy": self.boxes_xyxy, "names": self.names, "ignored": self.ignored}


@dataclass(frozen=True, eq=False)
class TrueMask:
    """Annotated pixels: labels H x W; what is beyond the classes counts as not labelled."""

    mask: np.ndarray

    def shares(self, classes: Sequence[str]) -> dict[str, float]:
        """Return the share of the image, in [0, 1], of each class that occurs, largest first."""
        labels, counts = np.unique(self.mask, return_counts=True)
        known = [(-c, n) for n, c in zip(labels, counts, strict=True) if 0 <= n < len(classes)]
        return {classes[n]: float(-c / self.mask.size) for c, n in sorted(known)}

    def record(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return ``pixel_share``, as a prediction's record has it."""
        return {"pixel_share": self.shares(classes)}


@dataclass(frozen=True)
class TrueClass:
    """The class of an image."""

    name: str

    def record(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return the name for JSON."""
        return {"name": self.name}


Truth = TrueBoxes | TrueMask | TrueClass
# Takes an image and its size; None where nothing is known of it.
Truths = Callable[[Path, tuple[int, int]], Truth | None]


def of_split(
    cfg: Config, task: Task, split: str, classes: Sequence[str]
) -> tuple[list[Source], Truths]:
    """Return the images of a config's split, and what its annotations say of them.

    Args:
        cfg: The config.
        task: Its task.
        split: One of ``SPLITS``; what the config holds out of the training images is its val split.
        classes: The checkpoint's, in label order.

    Raises:
        UserError: If the config has no such split, its data is missing or contradicts itself, or
            it has other classes.
    """
    if split in ("val", HELD_OUT) and cfg.get(HELD_OUT) is not None:
        cfg, split = copy.deepcopy(cfg), "val"
        hold_out(cfg)
    described = (cfg.get(f"{split}_dataloader") or {}).get("dataset")
    if not described:
        raise UserError(f"the config has no {split} split", "--truth", "name another split")
    dataset = build_dataset(described, task.scope)
    infos: dict[str, Mapping[str, Any]] = {}
    for part in parts_of(dataset):
        _check_classes(classes, classes_of(part), split)
        for index in range(len(part)):
            info = part.get_data_info(index)
            infos.setdefault(os.path.realpath(info["img_path"]), info)

    def truth_of(path: Path, size: tuple[int, int]) -> Truth | None:
        info = infos.get(os.path.realpath(path))
        return None if info is None else truth_in(info, task.result, classes)

    paths = [Path(info["img_path"]) for info in infos.values()]
    return below_what_they_share(paths), truth_of


def truth_in(info: Mapping[str, Any], kind: ResultKind, classes: Sequence[str]) -> Truth:
    """Return what a data set's entry says of its image.

    Args:
        info: From ``get_data_info``.
        kind: What the task's networks give.
        classes: The names in label order.
    """
    return READERS[kind](info, classes)


def _check_classes(trained: Sequence[str], annotated: Sequence[str], split: str) -> None:
    pair = class_difference(trained, annotated)
    if pair:
        what = f"the {split} split has other classes than the checkpoint, {pair[1]} for {pair[0]}"
        mend = "give the data that the checkpoint was trained with, see --data-root"
        raise UserError(what, f"{split}_dataloader.dataset", mend)


def _boxes(info: Mapping[str, Any], classes: Sequence[str]) -> TrueBoxes:
    objects = info["instances"]
    return TrueBoxes(
        np.array([each["bbox"] for each in objects], float).reshape(-1, 4),
        [classes[each["bbox_label"]] for each in objects],
        [bool(each.get("ignore_flag")) for each in objects],
    )


def _mask(info: Mapping[str, Any], classes: Sequence[str]) -> TrueMask:
    return TrueMask(ReadMask()({**info, "seg_fields": []})["gt_seg_map"])


def _class(info: Mapping[str, Any], classes: Sequence[str]) -> TrueClass:
    return TrueClass(classes[info["gt_label"]])


READERS: dict[ResultKind, Callable[[Mapping[str, Any], Sequence[str]], Truth]] = {
    "boxes": _boxes,
    "mask": _mask,
    "classes": _class,
}
