"""No image may be in val and in test: a checkpoint picked on one would be judged on it."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.registry import DATASETS, DefaultScope

from bag_of_transfer.engine.config_file import read_config
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.overrides import apply_overrides
from bag_of_transfer.ladder.plan.spec import Task

__all__ = ["check_splits"]


def check_splits(tasks: Iterable[Task]) -> None:
    """Compare the images of val with those of test, by content.

    A task without val has nothing to compare; ``published_split`` says that it is meant.

    Raises:
        UserError: If they share an image, or the data is missing.
    """
    for task in tasks:
        if not task.published_split:
            _check(task)


def _check(task: Task) -> None:
    cfg = read_config(task.config)
    if task.cfg_options:
        apply_overrides(cfg, task.cfg_options)
    if not cfg.get("val_dataloader"):
        return
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        val, test = (_images(cfg[f"{split}_dataloader"].dataset) for split in ("val", "test"))
    both = sorted(val.keys() & test.keys())
    if both:
        first = val[both[0]]
        raise UserError(
            f"{len(both)} images are in val and in test, first {first}",
            f"tasks.{task.name} ({task.config})",
            "give them different images, or say published_split=True: nothing is picked on val "
            "then, and tables say so",
        )


def _images(dataset: Mapping[str, Any]) -> dict[str, Path]:
    """Map the content's hash of every image of a split to its file."""
    built = DATASETS.build(dict(dataset))
    paths = [Path(built.get_data_info(index)["img_path"]) for index in range(len(built))]
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}
