"""Compare our configs with mmdet's installed ones, key by key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.data.own_readers import read_with_ours

CONFIGS = Path(__file__).parents[2] / "configs/detection"
# What makes up a recipe, all of it compared.
RECIPE = {
    "default_scope",
    "model",
    *("train_dataloader", "val_dataloader", "test_dataloader"),
    *("val_evaluator", "test_evaluator"),
    *("train_cfg", "val_cfg", "test_cfg"),
    *("param_scheduler", "optim_wrapper", "auto_scale_lr"),
    "env_cfg",
}
# The rest of mmdet's configs: log and hooks, which are ours (configs/_base_/default_runtime.py),
# and variables, which the sections above have taken in.
NOT_COMPARED = {
    *("default_hooks", "vis_backends", "visualizer", "log_processor", "log_level"),
    *("load_from", "resume"),
    *("data_root", "dataset_type", "backend_args", "train_pipeline", "test_pipeline"),
    *("max_epochs", "max_iter", "norm_cfg"),
}
ABSENT = "absent"
Difference = dict[str, tuple[Any, Any]]


def mmdets(name: str) -> Config:
    """Return one of mmdet's configs by its path under ``configs/``, with our reader of images."""
    # Wheels carry the configs; `_base_` is how a user's own config inherits one of them.
    cfg = Config.fromstring(f"_base_ = ['mmdet::{name}']", ".py")
    assert RECIPE <= cfg.keys() <= RECIPE | NOT_COMPARED
    read_with_ours(cfg)
    return cfg


def unroll_repeats(cfg: Config) -> int:
    """Turn an epoch of n repeats into n epochs, in place, and return n."""
    repeated = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset, times = repeated.dataset, repeated.times
    cfg.train_cfg.max_epochs *= times
    cfg.train_cfg.val_interval *= times
    for scheduler in cfg.param_scheduler:
        assert scheduler.by_epoch
        scheduler.begin, scheduler.end = scheduler.begin * times, scheduler.end * times
        scheduler.milestones = [epoch * times for epoch in scheduler.milestones]
    return times


def ours(name: str) -> Config:
    """Return one of our leaves by its stem."""
    return Config.fromfile(CONFIGS / f"{name}.py", import_custom_modules=False)


def flatten(node: Any, dotted: str = "") -> Iterator[tuple[str, Any]]:
    """Return the values in nested dicts and lists of dicts by their dotted names."""
    if isinstance(node, (list, tuple)) and any(isinstance(child, dict) for child in node):
        node = {str(index): child for index, child in enumerate(node)}
    if not isinstance(node, dict):
        yield dotted, list(node) if isinstance(node, tuple) else node
        return
    for key, child in node.items():
        if key not in ("_scope_", "backend_args"):  # mmdet itself, and None, everywhere
            yield from flatten(child, f"{dotted}.{key}" if dotted else key)


def difference(mine: Config, theirs: Config) -> Difference:
    """Return ``{dotted name: (ours, mmdet's)}`` of all keys of the recipe that differ."""
    a, b = (dict(flatten({key: cfg[key] for key in RECIPE})) for cfg in (mine, theirs))
    pairs = {key: (a.get(key, ABSENT), b.get(key, ABSENT)) for key in a.keys() | b.keys()}
    return {key: (x, y) for key, (x, y) in pairs.items() if x != y}
