"""What counts when the configs of two rungs are compared: the keys that a run is built from.

A flattened config also has the config file's own variables, and names of folders and processes.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from bag_of_transfer.engine.recipe import LOADING

__all__ = ["COMPARED", "KNOBS", "compared", "is_among", "tuned_settings"]

# Names at the top of a config.  The lr rule replaces auto_scale_lr, which says what was asked for.
COMPARED = frozenset(
    {
        *("activation_checkpointing", "amp", "custom_hooks", "data_preprocessor"),
        *("default_hooks", "efficient_conv_bn_eval", "lr_rule", "model", "non_finite"),
        "optim_wrapper",
        *("param_scheduler", "sync_bn", "test_cfg", "test_dataloader", "test_evaluator"),
        *("train_cfg", "train_dataloader", "tta_model", "tta_pipeline", "val_cfg"),
        *("val_dataloader", "val_evaluator"),
    }
)
# How images are loaded, which follows the cores of a cell, files that another run wrote, and what
# the lr rule computed from other keys.
LEFT_OUT = (
    *LOADING,
    *("model.backbone.init_cfg", "model.distillation.cache"),
    "model.distillation.teacher.checkpoint",
    *("lr_rule.accumulation", "lr_rule.effective", "lr_rule.per_device"),
)
BY_TYPE = ("custom_hooks", "param_scheduler")  # lists in which a new item moves the others
LR, STATED_LR = "optim_wrapper.optimizer.lr", "lr_rule.lr"
# What the knobs that can be tuned set (engine/config/knobs.py).
LENGTH = (
    *(f"train_cfg.{key}" for key in ("max_epochs", "max_iters", "val_interval")),
    *("train_cfg.dynamic_intervals", "default_hooks.checkpoint.interval"),
    *(f"param_scheduler.*.{key}" for key in ("begin", "end", "T_max", "step_size")),
    *(f"param_scheduler.*.{key}" for key in ("total_steps", "milestones", "periods")),
    *(f"*_hooks.*.{key}" for key in ("switch_epoch", "begin_epoch", "begin_iter")),
    *("*.off_epochs", "*.num_last_epochs"),
)
SIZES = ("size", "scale", "scales", "crop_size", "crop_px", "stride_px")
KNOBS: dict[str, tuple[str, ...]] = {
    "lr": (LR,),
    "batch_size": ("train_dataloader.batch_size",),
    "epochs": LENGTH,
    "max_iters": LENGTH,
    "image_size": (
        *(f"*pipeline.*.{key}" for key in SIZES),
        *("model.data_preprocessor.size", "model.test_cfg.crop_size", "model.test_cfg.stride"),
    ),
}


def compared(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that count, with the lr that was stated before the lr rule scaled it.

    Hooks and schedulers are named by their types instead of their numbers.
    """
    chosen = {_by_type(key, settings): text for key, text in settings.items() if _counts(key)}
    if STATED_LR in chosen:
        chosen[LR] = chosen.pop(STATED_LR)
    return chosen


def tuned_settings(key: str, settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a tuned key, or knob, sets: keys as :func:`compared` names them, or beginnings.

    Args:
        key: The tuned key.
        settings: The flattened config, before :func:`compared`.
    """
    return KNOBS.get(key, (_by_type(key, settings),))


def _counts(key: str) -> bool:
    return key.partition(".")[0] in COMPARED and not is_among(key, LEFT_OUT)


def _by_type(key: str, settings: Mapping[str, str]) -> str:
    name, _, rest = key.partition(".")
    number, _, inside = rest.partition(".")
    if name not in BY_TYPE or not inside:
        return key
    kind = settings.get(f"{name}.{number}.type", number).strip("'\"")
    earlier = sum(
        settings.get(f"{name}.{each}.type", "").strip("'\"") == kind for each in range(int(number))
    )
    return f"{name}.{kind}{f'-{earlier + 1}' if earlier else ''}.{inside}"


def is_among(key: str, beginnings: Iterable[str]) -> bool:
    """Return whether a key is one of these, or lies below one; ``*`` stands for any part."""
    return any(fnmatchcase(key, each) or fnmatchcase(key, f"{each}.*") for each in beginnings)
