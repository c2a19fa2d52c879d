"""What a run trains with, as plain data: stored in its checkpoints, compared when it is resumed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.dist import get_world_size

from bag_of_transfer.engine.config_nodes import nodes
from bag_of_transfer.engine.quantities import shortened

__all__ = [
    "BATCH",
    "COMPARED",
    "ITERS_PER_EPOCH",
    "KERNELS",
    "LOADING",
    "RECIPE_PARTS",
    "ROUNDING",
    "Difference",
    "class_difference",
    "differences",
    "recipe_of",
]

RECIPE_PARTS = ("train_dataloader", "train_cfg", "optim_wrapper")  # a recipe needs all of them
BATCH = "train_dataloader.batch_size x processes"
# What a recipe compares, by the config's keys.
COMPARED = (
    *("optim_wrapper.*", "param_scheduler.*", "param_scheduler", "randomness.seed"),
    *("train_cfg.max_epochs", "train_cfg.max_iters", "train_dataloader.batch_size"),
    *("train_dataloader.sampler.*", "train_dataloader.batch_sampler.*"),
    *("train_dataloader.sampler", "train_dataloader.batch_sampler", "train_dataloader.drop_last"),
    *("train_dataloader.dataset.colours_on_device", "held_out.*", "held_out"),
    *("*.off_epochs", "*.num_last_epochs"),
)
ORDER = ("sampler", "batch_sampler", "drop_last")  # of a loader: which images make up a step
ROUNDING = "colours_on_device"  # of a data set: the same images but for rounding
KERNELS = ("fused", "foreach")  # of an optimizer: the same numbers, computed in another way
LENGTH = ("max_epochs", "max_iters")
# How images reach a step, and not which, by the config's keys.
LOADING = (
    *(f"*_dataloader.{key}" for key in ("num_workers", "persistent_workers", "timeout")),
    *(f"*_dataloader.{key}" for key in ("pin_memory*", "prefetch_factor", "multiprocessing*")),
    *(f"*.dataset.*{key}" for key in ("lazy_init", "serialize_data", "max_refetch")),
    *("*.max_unreadable", "*.keep_mb", "*.backend_args*"),
)
# A key of a checkpoint's meta, beside the recipe: the config alone does not tell it of any sampler.
ITERS_PER_EPOCH = "iters_per_epoch"
# Lengths in epochs before the end of training (our classifier, mmdet's YOLOX).
FROM_THE_END = ("off_epochs", "num_last_epochs")
TRAINING_HOOKS = ("EMAHook", "FreezeBackboneFirst")  # as their names end


class Difference(NamedTuple):
    """A value of a run that the config now states differently; None: not stated."""

    key: str
    was: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key} was {_short(self.was)}, now {_short(self.now)}"


def recipe_of(cfg: Config) -> dict[str, Any]:
    """Return the values of a config that decide the trained weights; paths are left out.

    Args:
        cfg: Prepared for training: the lr is scaled, the precision chosen, the images counted.

    Returns:
        Plain values by the config's keys: optimizer, schedule, length, images per step and their
        order, precision, seed, classes, what is held out, number of images and of processes.
    """
    loader = cfg.train_dataloader
    stated = {
        "optim_wrapper": {"accumulative_counts": 1, **_without_kernels(cfg.optim_wrapper)},
        "param_scheduler": _as_list(cfg.get("param_scheduler")),
        "train_cfg": {key: cfg.train_cfg.get(key) for key in LENGTH},
        "train_dataloader": {
            **{key: loader.get(key) for key in ORDER},
            "dataset": {ROUNDING: (loader.get("dataset") or {}).get(ROUNDING) or None},
        },
        BATCH: loader.get("batch_size", 1) * get_world_size(),
        "processes": get_world_size(),
        "randomness": {"seed": (cfg.get("randomness") or {}).get("seed")},
        "classes": list(cfg.get("classes") or ()),
        "held_out": cfg.get("held_out"),
        "number of training images": cfg.get("num_train_images"),
        "custom_hooks": _training_hooks(cfg.get("custom_hooks")),
        **_from_the_end({key: cfg.get(key) for key in ("model", "custom_hooks")}),
    }
    return json.loads(json.dumps(stated, default=str))


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Return the values in which two recipes differ; None counts as not stated."""
    old, new = dict(_leaves(was)), dict(_leaves(now))
    return [
        Difference(key, old.get(key), new.get(key))
        for key in [*old, *(key for key in new if key not in old)]
        if old.get(key) != new.get(key)
    ]


def class_difference(trained: Sequence[str], other: Sequence[str]) -> tuple[str, str] | None:
    """Return the first pair of classes that differ at the same place; None if all are equal.

    Where one list only has more classes than the other, the pair says how many both have.
    """
    if tuple(trained) == tuple(other):
        return None
    pairs = zip(trained, other, strict=False)
    counts = (f"{len(trained)} classes", f"{len(other)}")
    return next((pair for pair in pairs if pair[0] != pair[1]), counts)


def _without_kernels(wrapper: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out how the optimizer computes: the checkpoint's optimizer itself holds that."""
    optimizer = dict(wrapper.get("optimizer") or {})
    for key in KERNELS:
        optimizer.pop(key, None)
    return {**wrapper, "optimizer": optimizer} if "optimizer" in wrapper else dict(wrapper)


def _as_list(stated: Any) -> list[Any]:
    return list(stated) if isinstance(stated, list | tuple) else [stated] if stated else []


def _training_hooks(hooks: Any) -> list[Any] | None:
    """Return the hooks that decide the weights of a checkpoint: of these or of their average."""
    return [hook for hook in hooks or () if str(hook["type"]).endswith(TRAINING_HOOKS)] or None


def _from_the_end(cfg: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in nodes(cfg) if key.rpartition(".")[2] in FROM_THE_END}


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, child in _children(node):
        if _children(child):
            yield from _leaves(child, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", child


def _children(node: Any) -> list[tuple[str, Any]]:
    """Return the entries of a dict, or of a list that holds dicts."""
    if isinstance(node, Mapping):
        return list(node.items())
    if isinstance(node, list | tuple) and any(isinstance(child, Mapping) for child in node):
        return [(str(index), child) for index, child in enumerate(node)]
    return []


def _short(value: Any) -> str:
    return "not stated" if value is None else shortened(str(value), 60)
