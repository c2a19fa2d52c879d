"""Whether a schedule that has changed is still the one that a run has followed so far.

If so, the rest of the run may follow the config: it is the run that the config would have given.
"""

from collections.abc import Mapping
from math import isclose
from typing import Any

from mmengine.optim import _ParamScheduler
from torch.optim import Optimizer

from bag_of_transfer.engine.recipe import LENGTH
from bag_of_transfer.engine.schedules import build_schedulers, walk

__all__ = ["apply_settings", "same_rates_so_far", "settings_of"]

# A scheduler's position, as opposed to its settings (mmengine's _ParamScheduler).
POSITION = ("last_step", "_global_step", "_last_value", "base_values")
DAMAGE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def same_rates_so_far(
    was: Mapping[str, Any],
    now: Mapping[str, Any],
    meta: Mapping[str, Any],
    iters_per_epoch: int | None,
) -> bool:
    """Return whether two schedules gave the same learning rates up to a checkpoint, and go on so.

    The file holds the rate of the next step, and how far the schedulers have come.  With the new
    settings both must be what they would be in a run of the config.

    Args:
        was: The recipe in the checkpoint.
        now: That of the config.
        meta: The checkpoint's, for ``epoch`` and ``iter``.
        iters_per_epoch: Batches per epoch; None: not known, and no schedule is taken for the same
            that needs it.
    """
    try:
        kinds = [stated["type"] for stated in now["param_scheduler"]]
        # No type is built that only the file names.
        if kinds != [stated["type"] for stated in was["param_scheduler"]]:
            return False
        return all(map(_changes_lr_by_step, kinds)) and _goes_on(was, now, meta, iters_per_epoch)
    except DAMAGE:
        return False  # the file's values do not give a curve


def _changes_lr_by_step(kind: str) -> bool:
    """Return whether a scheduler, by mmengine's names, sets the lr and does not follow a metric."""
    return kind.endswith(("LR", "Warmup")) and not kind.startswith("ReduceOn")


def _goes_on(
    was: Mapping[str, Any], now: Mapping[str, Any], meta: Mapping[str, Any], per_epoch: Any
) -> bool:
    epochs, iters = (now["train_cfg"].get(key) for key in LENGTH)
    if bool(was["train_cfg"].get("max_iters")) != bool(iters):
        return False  # epochs and iterations are counted by different loops
    # A checkpoint that is written after an epoch's last batch may not count that epoch yet.
    whole, rest = 0, meta["iter"]
    if not iters:
        whole, rest = meta["epoch"], meta["iter"] - meta["epoch"] * per_epoch
        if not 0 <= rest <= per_epoch:
            return False
    (old, optimizer), (new, other) = (_build(recipe, per_epoch) for recipe in (was, now))
    settings = [settings_of(scheduler) for scheduler in new]
    if _walk(old, optimizer, whole, rest, per_epoch) != _walk(new, other, whole, rest, per_epoch):
        return False
    if meta["iter"] >= iters if iters else whole >= epochs:
        return True  # there is no next step
    for scheduler, kept in zip(old, settings, strict=True):
        apply_settings(scheduler, kept)
    rates = (one.param_groups[0]["lr"] for one in (optimizer, other))
    return isclose(*rates) and list(map(_place, old)) == list(map(_place, new))


def _place(scheduler: _ParamScheduler) -> tuple[int, int]:
    """Return how far a scheduler has come, in its own unit, and since it began unless it ended."""
    is_over = scheduler._global_step >= scheduler.end
    return scheduler._global_step, 0 if is_over else scheduler.last_step


def _build(recipe: Mapping[str, Any], per_epoch: Any) -> tuple[list[_ParamScheduler], Optimizer]:
    stated = [
        {key: value for key, value in one.items() if key != "_scope_"}
        for one in recipe["param_scheduler"]
    ]
    lr = recipe["optim_wrapper"]["optimizer"].get("lr", 1.0)
    epochs, iters = (recipe["train_cfg"].get(key) for key in LENGTH)
    ends = (1, iters) if iters else (epochs, epochs * per_epoch)
    return build_schedulers(stated, lr, ends, per_epoch)


def _walk(
    schedulers: list[_ParamScheduler], optimizer: Optimizer, whole: int, rest: int, per_epoch: Any
) -> list[float]:
    """Step through whole epochs, and batches of the next one; return each batch's rate."""
    rates = walk(schedulers, optimizer, whole, per_epoch)
    per_batch = [scheduler for scheduler in schedulers if not scheduler.by_epoch]
    return rates + walk(per_batch, optimizer, 1, rest)


def settings_of(scheduler: _ParamScheduler) -> dict[str, Any]:
    """Return a scheduler's settings, without its position."""
    return {key: value for key, value in scheduler.state_dict().items() if key not in POSITION}


def apply_settings(scheduler: _ParamScheduler, settings: Mapping[str, Any]) -> None:
    """Let a scheduler go on with other settings from where it is."""
    step, had_ended = scheduler._global_step, scheduler.end <= scheduler._global_step
    scheduler.load_state_dict(settings)
    if had_ended and scheduler.begin < step < scheduler.end:
        # It did not move at the old end, but the new schedule goes on from there.
        scheduler._global_step = step - 1
        scheduler.last_step = step - 1 - scheduler.begin
        scheduler.step()
