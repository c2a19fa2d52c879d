"""The tasks of a ladder config: every rung is fine-tuned for each of them and tested."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

import bag_of_transfer.detection
import bag_of_transfer.segmentation  # noqa: F401  their metrics stand for mmdet's and mmseg's
from bag_of_transfer.engine.data.held_out import HELD_OUT, check_held_out, hold_out
from bag_of_transfer.engine.data.own_metrics import judge_in_percent
from bag_of_transfer.engine.data.watched_metrics import AUTO, first_metric
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import Phase, find_task
from bag_of_transfer.ladder.folder import PRETRAINING, Selection, selection_of
from bag_of_transfer.ladder.metrics import shown_metrics
from bag_of_transfer.ladder.plan.checks import (
    check_folder_name,
    check_keys,
    config_with,
    existing_config,
    list_of_words,
    yes_or_no,
)
from bag_of_transfer.ladder.plan.tune import read_grid, refuse_tuned
from bag_of_transfer.ladder.search import Grid

__all__ = ["Task", "read_tasks"]

KEYS = {"config", "cfg_options", "published_split", "held_out", "tta"}
TTA = ("tta_model", "tta_pipeline")  # keys of a config, as in mmdet and mmseg


@dataclass(frozen=True)
class Task:
    """One detection or segmentation config that every rung is fine-tuned with.

    Args:
        name: Its key in the config, and the name of its folder.
        kind: ``"det"`` or ``"seg"``.
        config: The config file.
        metrics: The metrics that tables show; ``per_class`` holds values of the last one.
        cfg_options: Overrides.
        published_split: val and test may share images, as in the published protocols of ADE20K,
            COCO and VOC 2007; nothing is picked on val then.
        tune: Values of the recipe that every rung chooses from on val; None: as it is.
        held_out: Overrides that hold a part of train out as val, for the runs that choose.
        tta: The test uses the config's test-time augmentation.
    """

    name: str
    kind: str
    config: Path
    metrics: tuple[str, ...]
    cfg_options: tuple[str, ...] = ()
    published_split: bool = False
    tune: Grid | None = None
    held_out: tuple[str, ...] = ()
    tta: bool = False


def read_tasks(
    stated: Mapping[str, Any], selection: Selection, path: Path, tune: Mapping[str, Any]
) -> tuple[Task, ...]:
    """Read and check the tasks of a ladder config.

    Args:
        stated: The config's entry of each task, by name.
        selection: The ladder's setting.
        path: The ladder config.
        tune: Values of the recipe to choose from, by task.

    Raises:
        UserError: If a key is unknown, or if a config does not exist, is of another kind, has no
            test split, has no metric that tables show, picks nothing on val although
            ``selection`` asks for it, picks by several metrics or by another one than values are
            chosen by, has values to tune but no val split to judge them on, or lacks the test-time
            augmentation that is asked for.
    """
    return tuple(
        _task(name, entry, selection, path, tune.get(name)) for name, entry in stated.items()
    )


def _task(name: str, stated: Any, selection: Selection, path: Path, tune: Any) -> Task:
    where = f"{path}: tasks.{name}"
    check_folder_name(name, f"{path}: tasks")
    if name == PRETRAINING:
        raise UserError(f"{PRETRAINING!r} is reserved", where, "name the task differently")
    if not isinstance(stated, Mapping):
        stated = dict(config=stated)
    check_keys(stated, KEYS, where)
    config = existing_config(str(stated.get("config")), f"{where}.config")
    cfg_options = list_of_words(stated.get("cfg_options"), f"{where}.cfg_options")
    cfg = config_with(config, cfg_options, where)
    kind = find_task(cfg)
    if kind is None or kind.phase is not Phase.FINE_TUNING:
        mend = "give a config such as those in configs/detection/ and configs/segmentation/"
        raise UserError("it is neither a detection nor a segmentation config", where, mend)
    metrics = _metrics(cfg, f"{where} ({config})")
    hold_out(cfg)
    task = Task(
        name,
        kind.name,
        config,
        metrics,
        cfg_options,
        published_split=yes_or_no(stated.get("published_split", False), f"{where}.published_split"),
        tune=None if tune is None else read_grid(tune, config, cfg_options, f"{path}: tune.{name}"),
        held_out=_held_out(stated.get("held_out"), cfg, f"{where}.held_out"),
        tta=_tta(stated.get("tta", False), cfg, f"{where}.tta"),
    )
    if task.tune:
        mend = "leave it out here or in tune"
        refuse_tuned(cfg_options, [task.tune], f"{where}.cfg_options", mend)
        _check_judge(task, cfg, f"{where} ({config})")
    if selection_of(task, selection) == "val":
        _check_val(cfg, f"{where} ({config})")
        _check_picked(task, cfg, f"{where} ({config})")
    return task


def _held_out(stated: Any, cfg: Config, where: str) -> tuple[str, ...]:
    """Return the overrides that hold a part of train out, which the config must allow."""
    if stated is None:
        return ()
    checked = check_held_out(stated, where)
    hold_out(Config({**cfg.to_dict(), HELD_OUT: checked}))
    return tuple(f"{HELD_OUT}.{key}={value!r}" for key, value in checked.items())


def _tta(stated: Any, cfg: Config, where: str) -> bool:
    """Return whether the test augments images, for which the config must say how."""
    asked = yes_or_no(stated, where)
    missing = [key for key in TTA if not cfg.get(key)]
    if asked and missing:
        mend = "state it as in configs/segmentation/_base_/datasets/demo.py, or leave tta out"
        raise UserError(f"the task's config has no {' and no '.join(missing)}", where, mend)
    return asked


def _check_judge(task: Task, cfg: Config, where: str) -> None:
    """Check that there are images to judge values on, and that they are not those of test."""
    if task.held_out:
        return
    mend = "hold a part of train out for it: held_out=dict(fraction=0.2, seed=0) in the task"
    if task.published_split:
        raise UserError(
            "values would be chosen on test: val is the published test split", where, mend
        )
    if cfg.get("val_dataloader") is None:
        raise UserError("no value can be chosen on val: the task has no val split", where, mend)


def _metrics(cfg: Config, where: str) -> tuple[str, ...]:
    """Return the metrics that tables show, under the names that the tools give them."""
    if cfg.get("test_dataloader") is None:
        raise UserError("the task has no test split", where, "define test_dataloader")
    judge_in_percent(cfg)
    evaluator = cfg.get("test_evaluator") or {}
    kind = evaluator.get("type") if isinstance(evaluator, Mapping) else "a list"
    metrics = shown_metrics(kind)
    if not metrics:
        mend = (
            "use one VocMetric, CocoBoxMetric or SegMetric; mmdet's VOCMetric and CocoMetric for "
            "boxes and mmseg's IoUMetric count as these"
        )
        raise UserError(f"the task's test_evaluator is {kind}", where, mend)
    return metrics


def _check_val(cfg: Config, where: str) -> None:
    mend = 'or leave selection at "last"'
    if cfg.get("val_dataloader") is None:
        what = "no checkpoint can be picked on val, the task has no val split"
        raise UserError(what, where, f"define val_dataloader, {mend}")
    if not _save_best(cfg):
        what = "no checkpoint is picked on val, default_hooks.checkpoint.save_best is None"
        raise UserError(what, where, f"name a metric there, {mend}")


def _check_picked(task: Task, cfg: Config, where: str) -> None:
    """Check that one metric picks the checkpoint: the one that values are chosen by, if any."""
    stated, judge = _save_best(cfg), task.metrics[-1]
    names = [stated] if isinstance(stated, str) else list(stated)
    key = "default_hooks.checkpoint.save_best"
    mend = f'say {key}="{judge}", or leave selection at "last"'
    if len(names) > 1:
        raise UserError(f"{key} names several metrics, each with a checkpoint", where, mend)
    best_by = first_metric(cfg, "val_evaluator") if names[0] == AUTO else names[0]
    if task.tune and best_by not in (None, judge):
        what = f"values are chosen by {judge}, but the checkpoint is picked by {best_by}"
        raise UserError(what, where, mend)


def _save_best(cfg: Config) -> Any:
    hook = cfg.get("default_hooks", {}).get("checkpoint") or {}
    return hook.get("save_best", AUTO)  # without an entry, engine/run/outputs.py sets it
