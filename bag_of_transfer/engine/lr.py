"""Linear scaling of the learning rate with the batch size, applied once.

Paper: arXiv:1812.01187, sec. 3.1 (linear scaling: lr 0.1 at batch size 256 becomes
0.1 x b / 256 at b).  Configs state ``lr`` for ``auto_scale_lr.base_batch_size``.
"""

import math
from typing import Any

from mmengine.config import Config
from mmengine.optim import OptimWrapper

from bag_of_transfer.engine.errors import UserError

__all__ = ["apply_lr_rule", "current_lr", "first_rates", "not_scaled", "scaled_lr"]


def scaled_lr(
    lr: float, base_batch_size: int, per_device: int, world_size: int, accumulation: int
) -> float:
    """Return the learning rate for the batch size that one update really sees.

    Args:
        lr: Learning rate stated for ``base_batch_size``.
        base_batch_size: Images per update that ``lr`` is meant for.
        per_device: Images per device and forward pass.
        world_size: Number of devices.
        accumulation: Forward passes whose gradients are added up before an update.

    Raises:
        ValueError: If one of the counts is below 1.
    """
    counts = {
        "base_batch_size": base_batch_size,
        "per_device": per_device,
        "world_size": world_size,
        "accumulation": accumulation,
    }
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    return lr * (per_device * world_size * accumulation) / base_batch_size


def apply_lr_rule(cfg: Config, world_size: int) -> str:
    """Scale ``cfg.optim_wrapper.optimizer.lr`` in place and return the line that says so.

    What was done is kept in ``cfg.lr_rule`` (``lr`` as stated, ``base_batch_size``,
    ``per_device``, ``world``, ``accumulation``, ``effective`` = the scaled lr).  A second call,
    or a run of the saved config, starts from there, so nothing is scaled twice.
    mmengine's own scaling, which ignores accumulation, is switched off.

    Raises:
        UserError: If scaling is asked for without ``base_batch_size`` or ``optimizer.lr``, if a
            count is below 1, or if ``optimizer.lr`` was changed after it had been scaled.
    """
    rule = _stated_rule(cfg)
    if rule is None:
        why = "auto_scale_lr.enable=False" if "auto_scale_lr" in cfg else "no auto_scale_lr"
        return f"lr {_optimizer(cfg).get('lr', 'unset')} (not scaled: {why})"
    per_device = cfg.train_dataloader.batch_size
    accumulation = cfg.optim_wrapper.get("accumulative_counts", 1)
    try:
        lr = scaled_lr(rule["lr"], rule["base_batch_size"], per_device, world_size, accumulation)
    except ValueError as error:
        raise UserError(str(error), "the lr rule", "give a batch size of 1 or more") from error
    cfg.optim_wrapper.optimizer.lr = lr
    cfg.auto_scale_lr.enable = False
    cfg.lr_rule = {
        **rule,
        "per_device": per_device,
        "world": world_size,
        "accumulation": accumulation,
        "effective": lr,
    }
    batch = per_device * world_size * accumulation
    return f"lr {lr:g} = {rule['lr']:g} x {batch} / {rule['base_batch_size']}"


def not_scaled(cfg: Config) -> str:
    """Say that the lr does not follow the batch size, and which keys make it; empty if it does."""
    stated = cfg.get("auto_scale_lr") or {}
    lr = _optimizer(cfg).get("lr")
    if lr is None or cfg.get("lr_rule") or stated.get("enable"):
        return ""
    keys = "auto_scale_lr.enable=True"
    if stated.get("base_batch_size") is None:
        keys += " auto_scale_lr.base_batch_size=N, the images that it is meant for,"
    return f"the lr stays at {lr}; {keys} scales it"


def current_lr(wrapper: OptimWrapper) -> float:
    """Return the scheduled lr before the groups' multipliers; with layer decay, the head's lr."""
    rates = first_rates(wrapper)
    return float(rates.get("base_lr", rates["lr"]))


def first_rates(wrapper: OptimWrapper) -> dict[str, float]:
    """Return the first learning rate by the names of ``wrapper.get_lr()``.

    mmengine lists those of all groups, of which a network can have one per tensor.
    """
    if getattr(type(wrapper), "get_lr", None) is not OptimWrapper.get_lr:  # several optimizers
        return {name: rates[0] for name, rates in wrapper.get_lr().items()}
    base = wrapper.base_param_settings
    rates = {"lr": wrapper.optimizer.param_groups[0]["lr"]}
    return rates if base is None else {"base_lr": base["lr"], **rates}


def _optimizer(cfg: Config) -> dict[str, Any]:
    return (cfg.get("optim_wrapper") or {}).get("optimizer") or {}


def _stated_rule(cfg: Config) -> dict[str, Any] | None:
    applied = cfg.get("lr_rule")
    if applied:
        return _rule_before_scaling(cfg, applied)
    stated = cfg.get("auto_scale_lr") or {}
    if not stated.get("enable", False):
        return None
    if stated.get("base_batch_size") is None:
        raise UserError(
            "auto_scale_lr has no base_batch_size",
            "auto_scale_lr",
            "state the batch size that optimizer.lr is meant for, or auto_scale_lr.enable=False",
        )
    if "lr" not in _optimizer(cfg):
        raise UserError(
            "there is no learning rate to scale",
            "optim_wrapper.optimizer.lr",
            "state lr, or set auto_scale_lr.enable=False",
        )
    return {"lr": _optimizer(cfg)["lr"], "base_batch_size": stated["base_batch_size"]}


def _rule_before_scaling(cfg: Config, applied: dict[str, Any]) -> dict[str, Any]:
    lr = _optimizer(cfg).get("lr")
    if lr is None or not math.isclose(lr, applied["effective"], rel_tol=1e-9):
        raise UserError(
            f"lr {lr} was set in a config whose lr is scaled already (to {applied['effective']:g})",
            "optim_wrapper.optimizer.lr",
            "change lr_rule.lr and optimizer.lr together, or start from the config as written",
        )
    return {"lr": applied["lr"], "base_batch_size": applied["base_batch_size"]}
