"""Shorten a warm-up that would leave nothing of a training, once its length is known."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.config.knob_length import TIMES, schedulers_in
from bag_of_transfer.engine.quantities import counted

__all__ = ["fit_schedule"]

WARM_UPS = ("GradualWarmup", "ConstantWarmup", "LinearLR", "ConstantLR")
SHORTEST = 2  # steps of a warm-up: mmengine's end a step early
SHARE = 10  # a warm-up that does not fit becomes a tenth of the training; the paper's is a 24th


def fit_schedule(cfg: Config, iters_per_epoch: int) -> list[str]:
    """Make the warm-up shorter than the training, in place, and let what follows it begin earlier.

    Args:
        cfg: Prepared for training.
        iters_per_epoch: Batches of an epoch.

    Returns:
        Lines that say so; none where everything fits.
    """
    epochs = cfg.train_cfg.get("max_epochs")
    total = epochs * iters_per_epoch if epochs else cfg.train_cfg.get("max_iters", 0)
    stated = list(schedulers_in(cfg))
    warm_ups = [part for part in stated if _is_warm_up(part)]
    lines = []
    for end in sorted({_iterations(part, "end", iters_per_epoch) for part in warm_ups}):
        ending = [part for part in warm_ups if _iterations(part, "end", iters_per_epoch) == end]
        if 0 < end < total and not any(_never_rises(part, iters_per_epoch) for part in ending):
            continue
        new = _tenth(total) if end >= total else 0
        for part in ending:
            _move(part, "end", new, iters_per_epoch, epochs if new else None)
        for part in stated:
            if part not in warm_ups and _iterations(part, "begin", iters_per_epoch) == end:
                _move(part, "begin", new, iters_per_epoch, None)
        now = f"is shortened to {counted(new, 'iteration')}" if new else "is left out"
        why = f"{end} do not fit into the training's {total}" if end >= total else "it is too short"
        lines.append(f"the warm-up {now}: {why}")
    if lines:
        cfg.param_scheduler = _without_empty(cfg.param_scheduler)
    return lines


def _tenth(length: int) -> int:
    """Return the length of a warm-up: 0 where the training is too short for any."""
    return max(SHORTEST, length // SHARE) if length > SHORTEST else 0


def _never_rises(part: Mapping[str, Any], iters_per_epoch: int) -> bool:
    """Return whether mmengine's scheduler would keep its first rate: it arrives a step early."""
    is_stepped_by_epoch = _by_epoch(part) and not part.get("convert_to_iter_based")
    steps = part["end"] if is_stepped_by_epoch else _iterations(part, "end", iters_per_epoch)
    return part["type"] in ("LinearLR", "ConstantLR") and steps == 1


def _is_warm_up(part: Mapping[str, Any]) -> bool:
    return part.get("type") in WARM_UPS and not part.get("begin") and "end" in part


def _by_epoch(part: Mapping[str, Any]) -> bool:
    return bool(part.get("by_epoch", True))


def _iterations(part: Mapping[str, Any], key: str, iters_per_epoch: int) -> int:
    """Return a time of a scheduler in iterations, as mmengine converts it; -1: not stated."""
    return int(part[key] * (iters_per_epoch if _by_epoch(part) else 1)) if key in part else -1


def _move(part: Any, key: str, iteration: int, iters_per_epoch: int, epochs: int | None) -> None:
    """Set a time of a scheduler; one that steps once an epoch gets a tenth of the epochs, or 0."""
    if _by_epoch(part) and not part.get("convert_to_iter_based"):
        part[key] = _tenth(epochs) if epochs else 0
        return
    if part.pop("convert_to_iter_based", False):
        for time in TIMES:
            if part.get(time) is not None:
                part[time] = int(part[time] * iters_per_epoch)
        if "milestones" in part:
            part["milestones"] = [int(time * iters_per_epoch) for time in part["milestones"]]
        part["by_epoch"] = False
    part[key] = iteration


def _without_empty(stated: Any) -> Any:
    """Return schedulers, in the form in which a config states them, without empty warm-ups."""
    if isinstance(stated, Mapping) and "type" not in stated:
        return {name: _without_empty(part) for name, part in stated.items()}
    listed = [stated] if isinstance(stated, Mapping) else stated
    return [part for part in listed if not (_is_warm_up(part) and part["end"] == 0)]
