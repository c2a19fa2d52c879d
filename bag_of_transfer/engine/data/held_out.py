"""Judge on a part of the training images that is held out, in place of the val split.

``held_out = dict(fraction=0.2, seed=0)`` in a config is for data without a val split, and for
choosing the values of a recipe where val is the published test split.  The draw is in
``image_parts.py``.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from bag_of_transfer.engine.config_nodes import leaves_of
from bag_of_transfer.engine.data import image_parts
from bag_of_transfer.engine.data.image_parts import HELD_OUT
from bag_of_transfer.engine.data.own_metrics import add_import
from bag_of_transfer.engine.data.splits import PARTS
from bag_of_transfer.engine.data.watched_metrics import metrics_of
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.numbers import is_finite_number, is_whole
from bag_of_transfer.engine.recipe import ROUNDING
from bag_of_transfer.engine.tasks import all_tasks

__all__ = ["HELD_OUT", "check_held_out", "hold_out", "judged_split", "training_images"]

# How a split is read, as opposed to what is read; a training may leave images out (filter_cfg).
READING = ("pipeline", "test_mode", "filter_cfg", ROUNDING)
EXAMPLE = "give held_out=dict(fraction=0.2, seed=0)"


def check_held_out(stated: Any, where: str = HELD_OUT) -> dict[str, Any]:
    """Check what is stated, and return ``fraction`` and ``seed``, which is 0 if it is not stated.

    Args:
        stated: The config's value.
        where: Its key, for the error.

    Raises:
        UserError: If it is no dict, a key is unknown, the fraction is not between 0 and 1, or the
            seed is not a whole number.
    """
    if not isinstance(stated, Mapping):
        raise UserError(f"{stated!r} is not a dict", where, EXAMPLE)
    unknown = sorted(set(map(str, stated)) - {"fraction", "seed"})
    if unknown:
        raise UserError(f"unknown key {unknown[0]!r}", where, EXAMPLE)
    fraction: Any = stated.get("fraction")
    seed = stated.get("seed", 0)
    if not is_finite_number(fraction) or not 0 < fraction < 1:
        mend = "give a number between 0 and 1, such as 0.2"
        raise UserError(f"{fraction!r} is not a valid value", f"{where}.fraction", mend)
    if not is_whole(seed):
        raise UserError(f"{seed!r} is not a valid value", f"{where}.seed", "give a whole number")
    return {"fraction": fraction, "seed": seed}


def hold_out(cfg: Config) -> list[str]:
    """Replace the val split by the part that the config holds out, if it does.

    What the config does not state of the val split is taken from its test split.

    Args:
        cfg: Any config whose metrics are ours where we have one; changed.

    Returns:
        The line that says so.

    Raises:
        UserError: If a value is wrong, there is no training data, neither a val nor a test split
            says how to read and judge, a metric would judge other images, or val is such a part
            already, but nothing is held out.
    """
    if cfg.get(HELD_OUT) is None:
        _refuse_to_train_on_val(cfg)
        return []
    cfg.held_out = check_held_out(cfg.held_out)
    if not cfg.get("train_dataloader"):
        what = "there are no training images to hold out a part of"
        raise UserError(what, HELD_OUT, "state train_dataloader")
    for of_val, of_test in zip(PARTS["val"], PARTS["test"], strict=True):
        if cfg.get(of_val) is None:
            cfg[of_val] = _of_test(cfg, of_test)
    _, reading = next(leaves_of(cfg.val_dataloader.dataset))
    described = _read_as(cfg.train_dataloader.dataset, reading)
    drawn = dict(type=image_parts.held_out_part.__name__, dataset=described, **cfg.held_out)
    cfg.val_dataloader = ConfigDict({**cfg.val_dataloader, "dataset": drawn})
    cfg.val_evaluator = copy.deepcopy(cfg.val_evaluator)
    files = {_annotations(leaf) for _, leaf in leaves_of(described)}
    for metric in metrics_of(cfg, "val_evaluator"):
        _judge_by(metric, files)
    add_import(cfg, image_parts.__name__)
    percent = f"{100 * cfg.held_out['fraction']:g} %"
    return [f"val: {percent} of the training images, held out by seed {cfg.held_out['seed']}"]


def training_images(cfg: Config) -> Any:
    """Return the description of the images that are trained on, for ``build_dataset``."""
    stated = cfg.train_dataloader.dataset
    if cfg.get(HELD_OUT) is None:
        return stated
    part = {key: value for key, value in cfg.val_dataloader.dataset.items() if key != "type"}
    return dict(type=image_parts.remaining_part, dataset=stated, held_out=part)


def judged_split(cfg: Config) -> str:
    """Return the name in records of the split that a training is judged on."""
    return "val" if cfg.get(HELD_OUT) is None else HELD_OUT


def _refuse_to_train_on_val(cfg: Config) -> None:
    """Check that a resolved config still holds out the images that its val split names."""
    dataset = (cfg.get("val_dataloader") or {}).get("dataset") or {}
    if dataset.get("type") == image_parts.held_out_part.__name__:
        what = "the val split is a part of the training images, all of which would be trained on"
        raise UserError(what, HELD_OUT, "leave held_out as it is, or state another val_dataloader")


def _of_test(cfg: Config, part: str) -> Any:
    stated = copy.deepcopy(cfg.get(part))
    if stated is None:
        what = "neither a val nor a test split says how the held-out images are read and judged"
        mend = "state val_dataloader, with the pipeline, val_cfg and val_evaluator"
        raise UserError(what, HELD_OUT, mend)
    if part == "test_cfg":
        stated.pop("type", None)  # TestLoop
    return stated


def _read_as(described: Any, reading: Any) -> ConfigDict:
    """Return training data as an evaluation reads it: each image once, with its transforms."""
    if described.get("datasets"):
        parts = [_read_as(part, reading) for part in described.datasets]
        return ConfigDict({**described, "datasets": parts})
    if described.get("dataset"):
        return _read_as(described.dataset, reading)
    kept = {key: value for key, value in described.items() if key not in READING}
    read = {key: reading[key] for key in READING if key in reading}
    return copy.deepcopy(ConfigDict({**kept, **read}))


def _annotations(leaf: Any) -> str:
    return str(Path(leaf.get("data_root") or "", leaf.get("ann_file") or ""))


def _judge_by(metric: Any, files: set[str]) -> None:
    """Let a metric that reads a file of annotations read that of the training images."""
    if metric.get("format_only"):
        what = f"{metric.type} only formats results"
        raise UserError(what, "val_evaluator", "state a metric that judges the held-out images")
    if not metric.get("ann_file"):
        return
    ours = {judge.type for task in all_tasks() for judge in task.judges.values()}
    if metric.type not in ours:  # mmdet's counts every image of the file as judged
        what = f"{metric.type} would judge all images of ann_file, not the held-out ones"
        raise UserError(what, "val_evaluator", f"use one of {', '.join(sorted(ours))}")
    if len(files) > 1:
        what = f"{metric.type} judges by one file, but the training images have {len(files)}"
        raise UserError(what, "val_evaluator", "train on one file, or use another metric")
    metric.ann_file = next(iter(files))
