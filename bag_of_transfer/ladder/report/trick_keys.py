"""The paper's tricks by their names in ``tricks.json``, and the config keys that each is set with.

Source of the list: arXiv:1812.01187, sec. 3 to 5.  This module needs only the standard library.
"""

__all__ = ["TRICK_KEYS", "changed_tricks"]

from collections.abc import Mapping
from typing import Any

# A key, or the beginning of keys; "*" stands for any part.  Schedulers are named by their type.
TRICK_KEYS: dict[str, tuple[str, ...]] = {
    "linear_scaling": ("lr_rule", "optim_wrapper.optimizer.lr", "train_dataloader.batch_size"),
    "warmup": (
        "param_scheduler.GradualWarmup",
        "param_scheduler.LinearLR",
        "param_scheduler.ConstantLR",
        "param_scheduler.*.begin",
    ),
    "zero_gamma": ("model.backbone.zero_init_residual",),
    "no_bias_decay": (
        "optim_wrapper.paramwise_cfg.bias_decay_mult",
        "optim_wrapper.paramwise_cfg.norm_decay_mult",
    ),
    "mixed_precision": (
        "amp",
        "optim_wrapper.type",
        "optim_wrapper.dtype",
        "optim_wrapper.loss_scale",
    ),
    "lr_decay": ("param_scheduler",),
    "label_smoothing": ("model.label_smoothing",),
    "distillation": ("model.distillation",),
    "mixup": ("model.mixup",),
    "model_tweak": (
        "model.backbone.type",
        "model.backbone.deep_stem",
        "model.backbone.avg_down",
        "model.backbone.stem_channels",
        "model.backbone.style",
    ),
}
# Their values in tricks.json hold more than the trick: rates, counts.
ON_OR_OFF = ("linear_scaling", "zero_gamma", "no_bias_decay")


def changed_tricks(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return the tricks in which two ``tricks.json`` differ, in the paper's order."""
    return [
        name
        for name in TRICK_KEYS
        if name in before and name in after and _state(name, before) != _state(name, after)
    ]


def _state(name: str, tricks: Mapping[str, Mapping[str, Any]]) -> tuple[bool, Any]:
    entry = tricks[name]
    return bool(entry.get("on")), None if name in ON_OR_OFF else entry.get("value")
