"""Check that no image is in val and in test: a checkpoint picked on it would be tested on it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.registry import DATASETS, DefaultScope

from bag_of_transfer.engine.config.config_file import resolved_config
from bag_of_transfer.engine.data.held_out import hold_out
from bag_of_transfer.engine.data.own_metrics import judge_in_percent
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.ladder.plan.spec import Task

__all__ = ["check_splits"]


def check_splits(tasks: Iterable[Task]) -> None:
    """Check that val and test of each task have no image in common, by content.

    Tasks without val, and those with ``published_split``, are not checked.

    Raises:
        UserError: If they have an image in common, or the data is missing.
    """
    for task in tasks:
        if not task.published_split:
            _check(task)


def _check(task: Task) -> None:
    cfg = resolved_config(task.config, task.cfg_options)
    judge_in_percent(cfg)
    hold_out(cfg)
    if not cfg.get("val_dataloader"):
        return
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        val, test = (_images(cfg[f"{split}_dataloader"].dataset) for split in ("val", "test"))
    shared = sorted(val.keys() & test.keys())
    if shared:
        raise UserError(
            f"{len(shared)} images are in val and in test, first {val[shared[0]]}",
            f"tasks.{task.name} ({task.config})",
            "give them different images, or set published_split=True: then no checkpoint is "
            "picked on val, and tables say so",
        )


def _images(dataset: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files of a split's images by the hash of their content."""
    images = DATASETS.build(dict(dataset))
    paths = [Path(images.get_data_info(index)["img_path"]) for index in range(len(images))]
    return {sha256_of(path): path for path in paths}
