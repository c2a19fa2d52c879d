"""What the schedule of the learning rate really does: rehearsed, then named by its shape.

The tricks of arXiv:1812.01187, sec. 3.1 (warm-up) and 5.1 (decay).
"""

import copy
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner

from bag_of_transfer.audit.evidence import Evidence, not_seen
from bag_of_transfer.audit.optimizer_evidence import main_group, peak_lr
from bag_of_transfer.engine.schedules import walk

__all__ = ["live_schedulers", "lr_decay", "rehearsed_lr", "warmup"]

# Rates are products of thousands of factors; see test_a_long_warmup_does_not_drift.
CLOSE = 1e-6
# The paper's two: step decay multiplies by 0.1, exponential decay by 0.94 (sec. 5.1).
STEP_OR_EXPONENTIAL = 0.5


def warmup(rates: list[float]) -> Evidence:
    """Recognise how the rates, one per batch, rise to their first maximum, if they rise."""
    length, kind = _rise(rates)
    if not length:
        text = f"lr {rates[0]:g} at batch 1 is not exceeded later"
        return not_seen(text)
    peak = max(rates)
    ways = {
        "gradual": f"batch i of {length} has i x {peak:g} / {length}",
        "constant": f"{length} batches, then {peak:g}",
        "other": f"{peak:g} at batch {length}, neither gradual nor constant",
    }
    text = f"lr {rates[0]:g} at batch 1: {ways[kind]}"
    return Evidence(on=True, value={"form": kind, "iters": length}, evidence=text)


def lr_decay(rates: list[float], iters_per_epoch: int, schedulers: str) -> Evidence:
    """Name the decay after the warm-up by its shape.

    ``value`` is cosine, step or exponential; for another shape it is ``schedulers``, the names of
    the schedulers; without a decay it is None.
    """
    length, _ = _rise(rates)
    tail = np.array(rates[length:] or rates[-1:])
    if math.isclose(tail[-1], tail[0], rel_tol=CLOSE):
        text = f"lr {tail[-1]:g} at the last of {len(rates)} batches, as at its peak"
        return not_seen(text)
    kind, text = _drops(tail, length, iters_per_epoch)
    floor = _cosine_floor(tail, iters_per_epoch)
    if floor is not None:
        to = f" to {floor:.3g}" if floor > CLOSE * tail[0] else ""
        kind, text = "cosine", f"0.5 (1 + cos(pi t / {len(tail)})) x {tail[0]:g}{to}"
    text += f"; lr {tail[len(tail) // 2]:.3g} half way, {tail[-1]:.3g} at batch {len(rates)}"
    return Evidence(on=True, value=kind or schedulers, evidence=text)


def rehearsed_lr(runner: Runner) -> list[float]:
    """Step copies of the live schedulers from the start to the end; return the lr of each batch."""
    loop = runner.train_loop
    epochs, iters = runner.max_epochs, loop.max_iters
    if not isinstance(loop, EpochBasedTrainLoop):
        epochs = 1
    if not any(isinstance(hook, ParamSchedulerHook) for hook in runner.hooks):
        # No hook will step them, so the first rate stays.
        return [main_group(runner)["lr"]] * iters
    stand_in = _stand_in(main_group(runner), peak_lr(runner))
    copies = [_from_the_start(scheduler, stand_in) for scheduler in live_schedulers(runner)]
    return walk(copies, stand_in, epochs, iters // epochs)


def live_schedulers(runner: Runner) -> list[_ParamScheduler]:
    """Return the built schedulers of the learning rate, in order."""
    built = runner.param_schedulers or []
    return [s for s in built if isinstance(s, _ParamScheduler) and s.param_name == "lr"]


def _stand_in(group: Mapping[str, Any], lr: float) -> SimpleNamespace:
    """Return what schedulers see of an optimizer; some have added keys of their own to a group."""

    def step() -> None:
        raise AssertionError("a rehearsal trains nothing")

    step._with_counter = True  # type: ignore[attr-defined]  # mmengine warns without it
    kept = {key: value for key, value in group.items() if key != "params"}
    groups = [{**kept, "lr": lr, "initial_lr": lr}]
    return SimpleNamespace(param_groups=groups, step=step, _global_step=0)


def _from_the_start(scheduler: _ParamScheduler, stand_in: SimpleNamespace) -> _ParamScheduler:
    fresh = copy.copy(scheduler)
    fresh.optimizer, fresh.base_values = stand_in, [stand_in.param_groups[0]["lr"]]
    fresh.last_step = fresh._global_step = -1
    fresh.step()  # as the constructor does
    return fresh


def _rise(rates: list[float]) -> tuple[int, str]:
    """Return length in batches and form of the rise to the first maximum; 0 without a rise."""
    values = np.array(rates)
    peak = values.max()
    first = int(np.argmax(values >= peak * (1 - CLOSE)))
    if first == 0:
        return 0, "none"
    # Gradual comes first: lr / 2 and then lr is both, and the paper's warm-up is gradual.
    gradual = np.arange(1, first + 2) * peak / (first + 1)
    if np.allclose(values[: first + 1], gradual, rtol=CLOSE):
        return first + 1, "gradual"
    if np.allclose(values[:first], values[0], rtol=CLOSE):
        return first, "constant"
    return first + 1, "other"


def _cosine_floor(tail: np.ndarray, iters_per_epoch: int) -> float | None:
    """Return the rate that a cosine per batch, or per epoch, falls to; None for another shape."""
    by_epoch = tail[::iters_per_epoch]
    steps = by_epoch if (by_epoch.repeat(iters_per_epoch)[: len(tail)] == tail).all() else tail
    if len(steps) < 3:  # any two rates lie on a cosine
        return None
    share = 0.5 * (1 + np.cos(np.pi * np.arange(len(steps)) / len(steps)))
    floor = (steps[-1] - share[-1] * steps[0]) / (1 - share[-1])
    same = np.allclose(steps, share * (steps[0] - floor) + floor, rtol=0, atol=CLOSE * steps[0])
    return max(float(floor), 0.0) if same else None


def _drops(tail: np.ndarray, offset: int, iters_per_epoch: int) -> tuple[str, str]:
    """Return the name of a decay in plateaus with one common ratio; empty for any other."""
    at = np.flatnonzero(tail[1:] < tail[:-1] * (1 - CLOSE)) + 1
    ratios = tail[at] / tail[at - 1]
    if (tail[1:] > tail[:-1] * (1 + CLOSE)).any() or not np.allclose(ratios, ratios[0], rtol=1e-4):
        return "", "neither a cosine nor drops by one factor"
    kind = "exponential" if ratios[0] > STEP_OR_EXPONENTIAL else "step"
    epochs = [f"{(offset + i) / iters_per_epoch:g}" for i in at[:4]]
    dots = ", ..." if len(at) > len(epochs) else ""
    return kind, f"x {ratios[0]:.3g} after epochs {', '.join(epochs)}{dots}"
