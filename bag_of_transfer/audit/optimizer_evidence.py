"""What the optimiser and its precision really do, read from a built Runner.

The tricks of arXiv:1812.01187, sec. 3, that live in the optimiser.
"""

import math
import os
from typing import Any

import torch
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.conv import _ConvNd

from bag_of_transfer.audit.evidence import Evidence
from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.lr import scaled_lr

__all__ = ["linear_scaling", "main_group", "mixed_precision", "no_bias_decay", "peak_lr"]

TF32 = "NVIDIA_TF32_OVERRIDE"  # NVIDIA's variable for all of its libraries
CLOSE = 1e-6  # the rule's lr may be off by rounding


def linear_scaling(runner: Runner) -> Evidence:
    """Compare the optimiser's lr with the rule, for the images that one update sees."""
    loader, wrapper = runner.train_dataloader, runner.optim_wrapper
    # With a batch sampler of mmdet, the loader does not know the size.
    per_device = loader.batch_size or loader.batch_sampler.batch_size
    accumulation = wrapper._accumulative_counts
    batch = per_device * runner.world_size * accumulation
    lr = peak_lr(runner)
    rule = runner.cfg.get("lr_rule")
    value = {"lr": lr, "batch_size": batch}
    if not rule:
        text = f"lr {lr:g} in the optimizer, {batch} images per update; no rule was applied"
        return Evidence(on=False, value=value, evidence=text)
    base = rule["base_batch_size"]
    wanted = scaled_lr(rule["lr"], base, per_device, runner.world_size, accumulation)
    formula = f"{rule['lr']:g} x {batch} / {base}"
    holds = math.isclose(lr, wanted, rel_tol=CLOSE)
    text = f"lr {lr:g} in the optimizer " + (
        f"= {formula}" if holds else f"is not {wanted:g} = {formula}"
    )
    value |= {"base_lr": rule["lr"], "base_batch_size": base}
    return Evidence(on=holds, value=value, evidence=text)


def no_bias_decay(runner: Runner) -> Evidence:
    """Count the trained tensors for which the optimiser has a weight decay."""
    decay = {
        id(parameter): group.get("weight_decay", 0)
        for group in runner.optim_wrapper.optimizer.param_groups
        for parameter in group["params"]
    }
    model = network_of(runner.model)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    decayed = {name for name, p in trained.items() if decay.get(id(p), 0)}
    wanted = _conv_and_linear_weights(model) & trained.keys()
    text = f"decayed {len(decayed)} of {len(trained)} parameters"
    if wrong := sorted(decayed - wanted):
        text += f", {len(wrong)} of them biases or norms, first {wrong[0]}"
    if missed := sorted(wanted - decayed):
        text += f"; {len(missed)} weights of conv and linear are not, first {missed[0]}"
    strengths = sorted({decay[id(trained[name])] for name in decayed})
    value = {"decayed": len(decayed), "parameters": len(trained), "weight_decay": strengths}
    spared = bool(decayed) and decayed == wanted and len(decayed) < len(trained)
    return Evidence(on=spared, value=value, evidence=text)


def mixed_precision(runner: Runner) -> Evidence:
    """Multiply two matrices where the forward pass runs, and look at the type of the product."""
    device = next(runner.model.parameters()).device
    probe = torch.ones(2, 2, device=device)
    with torch.no_grad(), runner.optim_wrapper.optim_context(runner.model):
        product = (probe @ probe).dtype
    weights = next(network_of(runner.model).parameters()).dtype
    scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
    scaling = (
        f"loss x {scaler.get_scale():g}" if scaler and scaler.is_enabled() else "no loss scaling"
    )
    short = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}
    text = (
        f"a matrix product in the optimizer's context is {_bare(product)}, "
        f"weights are {_bare(weights)}, {scaling}"
    )
    if product == torch.float32 and _rounds_to_tf32(device):
        text += f"; convolutions round to TF32, torch's default ({TF32}=0 switches it off)"
    value = short.get(product, _bare(product))
    return Evidence(on=product != torch.float32, value=value, evidence=text)


def _rounds_to_tf32(device: torch.device) -> bool:
    """Return whether convolutions in 32 bits keep 10 of mantissa, as on GPUs from Ampere on."""
    chosen = torch.backends.cudnn.allow_tf32 and os.environ.get(TF32) != "0"
    return device.type == "cuda" and chosen and torch.cuda.get_device_capability(device) >= (8, 0)


def peak_lr(runner: Runner) -> float:
    """Return the learning rate, before the schedule, that most tensors have."""
    return _unscheduled(main_group(runner))


def main_group(runner: Runner) -> dict[str, Any]:
    """Return a group with the lr that most tensors have; a head may have ten times as much."""
    groups = runner.optim_wrapper.optimizer.param_groups
    count: dict[float, int] = {}
    for group in groups:
        count[_unscheduled(group)] = count.get(_unscheduled(group), 0) + len(group["params"])
    most = max(count, key=count.__getitem__)
    return next(group for group in groups if _unscheduled(group) == most)


def _unscheduled(group: dict[str, Any]) -> float:
    return group.get("initial_lr", group["lr"])


def _conv_and_linear_weights(model: nn.Module) -> set[str]:
    return {
        f"{name}.weight" if name else "weight"
        for name, module in model.named_modules()
        if isinstance(module, _ConvNd | nn.Linear)
    }


def _bare(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
