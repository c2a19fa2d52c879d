"""What the optimiser, its schedule and its precision really do, read from a built Runner.

The tricks of arXiv:1812.01187, sec. 3 and 5.1, that live outside the network.
"""

import copy
import math
from types import SimpleNamespace
from typing import Any, TypedDict

import numpy as np
import torch
from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.nn.modules.conv import _ConvNd

from bag_of_transfer.engine.lr import scaled_lr
from bag_of_transfer.engine.schedules import walk

__all__ = [
    "Finding",
    "bare_model",
    "linear_scaling",
    "lr_decay",
    "mixed_precision",
    "no_bias_decay",
    "rehearsed_lr",
    "warmup",
]

# Rates are products of thousands of factors; see test_a_long_warmup_does_not_drift.
CLOSE = 1e-6
# The paper's two: step decay multiplies by 0.1, exponential decay by 0.94 (sec. 5.1).
STEP_OR_EXPONENTIAL = 0.5


class Finding(TypedDict):
    """One entry of ``tricks.json``."""

    on: bool
    value: Any
    evidence: str


def bare_model(runner: Runner) -> nn.Module:
    """Give the model without DistributedDataParallel around it."""
    return getattr(runner.model, "module", runner.model)


def linear_scaling(runner: Runner) -> Finding:
    """Compare the optimiser's lr with the rule, for the images that one update sees."""
    loader, wrapper = runner.train_dataloader, runner.optim_wrapper
    # A batch sampler of mmdet's hides the size from the loader.
    per_device = loader.batch_size or loader.batch_sampler.batch_size
    accumulation = wrapper._accumulative_counts
    batch = per_device * runner.world_size * accumulation
    lr = _peak_lr(runner)
    rule = runner.cfg.get("lr_rule")
    value = {"lr": lr, "batch_size": batch}
    if not rule:
        said = f"lr {lr:g} in the optimizer, {batch} images per update; no rule was applied"
        return Finding(on=False, value=value, evidence=said)
    base = rule["base_batch_size"]
    wanted = scaled_lr(rule["lr"], base, per_device, runner.world_size, accumulation)
    formula = f"{rule['lr']:g} x {batch} / {base}"
    holds = math.isclose(lr, wanted, rel_tol=CLOSE)
    said = f"lr {lr:g} in the optimizer " + (
        f"= {formula}" if holds else f"is not {wanted:g} = {formula}"
    )
    value |= {"base_lr": rule["lr"], "base_batch_size": base}
    return Finding(on=holds, value=value, evidence=said)


def warmup(rates: list[float]) -> Finding:
    """Tell how the rates rise to their first maximum, if they do; rates of every batch."""
    length, kind = _rise(rates)
    if not length:
        said = f"lr {rates[0]:g} at batch 1 is not exceeded later"
        return Finding(on=False, value=None, evidence=said)
    peak = max(rates)
    ways = {
        "gradual": f"batch i of {length} has i x {peak:g} / {length}",
        "constant": f"{length} batches, then {peak:g}",
        "other": f"{peak:g} at batch {length}, neither gradual nor constant",
    }
    said = f"lr {rates[0]:g} at batch 1: {ways[kind]}"
    return Finding(on=True, value={"form": kind, "iters": length}, evidence=said)


def lr_decay(rates: list[float], iters_per_epoch: int, schedulers: str) -> Finding:
    """Name the decay after the warm-up by its shape; ``schedulers`` names what has no such shape.

    ``value`` is cosine, step, exponential, ``schedulers``, or None.
    """
    length, _ = _rise(rates)
    tail = np.array(rates[length:] or rates[-1:])
    if math.isclose(tail[-1], tail[0], rel_tol=CLOSE):
        said = f"lr {tail[-1]:g} at the last of {len(rates)} batches, as at its peak"
        return Finding(on=False, value=None, evidence=said)
    kind, said = _drops(tail, length, iters_per_epoch)
    floor = _cosine_floor(tail, iters_per_epoch)
    if floor is not None:
        to = f" to {floor:.3g}" if floor > CLOSE * tail[0] else ""
        kind, said = "cosine", f"0.5 (1 + cos(pi t / {len(tail)})) x {tail[0]:g}{to}"
    said += f"; lr {tail[len(tail) // 2]:.3g} half way, {tail[-1]:.3g} at batch {len(rates)}"
    return Finding(on=True, value=kind or schedulers, evidence=said)


def no_bias_decay(runner: Runner) -> Finding:
    """Look up the weight decay that the optimiser holds for each trained tensor."""
    decay = {
        id(parameter): group.get("weight_decay", 0)
        for group in runner.optim_wrapper.optimizer.param_groups
        for parameter in group["params"]
    }
    model = bare_model(runner)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    decayed = {name for name, p in trained.items() if decay.get(id(p), 0)}
    wanted = _conv_and_linear_weights(model) & trained.keys()
    said = f"decayed {len(decayed)} of {len(trained)} parameters"
    if wrong := sorted(decayed - wanted):
        said += f", {len(wrong)} of them biases or norms, first {wrong[0]}"
    if missed := sorted(wanted - decayed):
        said += f"; {len(missed)} weights of conv and linear are not, first {missed[0]}"
    strengths = sorted({decay[id(trained[name])] for name in decayed})
    value = {"decayed": len(decayed), "parameters": len(trained), "weight_decay": strengths}
    spared = bool(decayed) and decayed == wanted and len(decayed) < len(trained)
    return Finding(on=spared, value=value, evidence=said)


def mixed_precision(runner: Runner) -> Finding:
    """Multiply two matrices where the forward pass runs and look at the product's type."""
    device = next(runner.model.parameters()).device
    probe = torch.ones(2, 2, device=device)
    with torch.no_grad(), runner.optim_wrapper.optim_context(runner.model):
        product = (probe @ probe).dtype
    weights = next(bare_model(runner).parameters()).dtype
    scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
    scaling = (
        f"loss x {scaler.get_scale():g}" if scaler and scaler.is_enabled() else "no loss scaling"
    )
    short = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}
    said = (
        f"a matrix product in the optimizer's context is {_bare(product)}, "
        f"weights are {_bare(weights)}, {scaling}"
    )
    value = short.get(product, _bare(product))
    return Finding(on=product != torch.float32, value=value, evidence=said)


def rehearsed_lr(runner: Runner) -> list[float]:
    """Step copies of the live schedulers from the start to the end; give each batch's lr."""
    loop = runner.train_loop
    epochs, iters = runner.max_epochs, loop.max_iters
    if not isinstance(loop, EpochBasedTrainLoop):
        epochs = 1
    if not any(isinstance(hook, ParamSchedulerHook) for hook in runner.hooks):
        # Nothing will ever step them: the first rate stays.
        return [runner.optim_wrapper.optimizer.param_groups[_main_group(runner)]["lr"]] * iters
    stand_in = _stand_in(_peak_lr(runner))
    copies = [_from_the_start(one, stand_in) for one in live_schedulers(runner)]
    return walk(copies, stand_in, epochs, iters // epochs)


def live_schedulers(runner: Runner) -> list[_ParamScheduler]:
    """Give the built schedulers of the learning rate, in order."""
    built = runner.param_schedulers or []
    return [one for one in built if isinstance(one, _ParamScheduler) and one.param_name == "lr"]


def _stand_in(lr: float) -> SimpleNamespace:
    def step() -> None:
        raise AssertionError("a rehearsal trains nothing")

    step._with_counter = True  # type: ignore[attr-defined]  # mmengine warns without it
    return SimpleNamespace(param_groups=[{"lr": lr, "initial_lr": lr}], step=step, _global_step=0)


def _from_the_start(scheduler: _ParamScheduler, stand_in: SimpleNamespace) -> _ParamScheduler:
    fresh = copy.copy(scheduler)
    fresh.optimizer, fresh.base_values = stand_in, [stand_in.param_groups[0]["lr"]]
    fresh.last_step = fresh._global_step = -1
    fresh.step()  # as the constructor does
    return fresh


def _main_group(runner: Runner) -> int:
    """Find the group whose lr most tensors have: a head may learn ten times as fast."""
    groups = runner.optim_wrapper.optimizer.param_groups
    count: dict[float, int] = {}
    for group in groups:
        count[_unscheduled(group)] = count.get(_unscheduled(group), 0) + len(group["params"])
    most = max(count, key=count.__getitem__)
    return next(i for i, group in enumerate(groups) if _unscheduled(group) == most)


def _unscheduled(group: dict[str, Any]) -> float:
    return group.get("initial_lr", group["lr"])


def _peak_lr(runner: Runner) -> float:
    return _unscheduled(runner.optim_wrapper.optimizer.param_groups[_main_group(runner)])


def _rise(rates: list[float]) -> tuple[int, str]:
    """Length in batches and form of the rise to the first maximum; 0 without one."""
    values = np.array(rates)
    peak = values.max()
    first = int(np.argmax(values >= peak * (1 - CLOSE)))
    if first == 0:
        return 0, "none"
    # Gradual before constant: lr / 2 and then lr is both, and the paper's is the gradual one.
    gradual = np.arange(1, first + 2) * peak / (first + 1)
    if np.allclose(values[: first + 1], gradual, rtol=CLOSE):
        return first + 1, "gradual"
    if np.allclose(values[:first], values[0], rtol=CLOSE):
        return first, "constant"
    return first + 1, "other"


def _cosine_floor(tail: np.ndarray, iters_per_epoch: int) -> float | None:
    """Give the rate that a cosine per batch, or per epoch, falls to; None for another shape."""
    by_epoch = tail[::iters_per_epoch]
    steps = by_epoch if (by_epoch.repeat(iters_per_epoch)[: len(tail)] == tail).all() else tail
    if len(steps) < 3:  # any two rates lie on a cosine
        return None
    share = 0.5 * (1 + np.cos(np.pi * np.arange(len(steps)) / len(steps)))
    floor = (steps[-1] - share[-1] * steps[0]) / (1 - share[-1])
    same = np.allclose(steps, share * (steps[0] - floor) + floor, rtol=0, atol=CLOSE * steps[0])
    return max(float(floor), 0.0) if same else None


def _drops(tail: np.ndarray, offset: int, iters_per_epoch: int) -> tuple[str, str]:
    """Name a decay in plateaus with one common ratio; empty if it is none."""
    at = np.flatnonzero(tail[1:] < tail[:-1] * (1 - CLOSE)) + 1
    ratios = tail[at] / tail[at - 1]
    if (tail[1:] > tail[:-1] * (1 + CLOSE)).any() or not np.allclose(ratios, ratios[0], rtol=1e-4):
        return "", "no cosine, and no drops by one factor"
    kind = "exponential" if ratios[0] > STEP_OR_EXPONENTIAL else "step"
    epochs = [f"{(offset + i) / iters_per_epoch:g}" for i in at[:4]]
    dots = ", ..." if len(at) > len(epochs) else ""
    return kind, f"x {ratios[0]:.3g} after epochs {', '.join(epochs)}{dots}"


def _conv_and_linear_weights(model: nn.Module) -> set[str]:
    return {
        f"{name}.weight" if name else "weight"
        for name, module in model.named_modules()
        if isinstance(module, _ConvNd | nn.Linear)
    }


def _bare(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
