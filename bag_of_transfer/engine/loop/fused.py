"""One kernel for an optimizer's whole update, where torch has one."""

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import OPTIMIZERS
from torch.optim import Optimizer

from bag_of_transfer.engine.recipe import KERNELS

__all__ = ["one_group_per_setting", "settle_kernels", "use_fused_update"]

# torch can also fuse on other devices, on which nothing of ours was tried.
DEVICES = ("cpu", "cuda")
# Any of these is the user's choice, or excludes the fused kernel.
STATED = ("fused", "foreach", "differentiable", "maximize")


def use_fused_update(cfg: Config) -> str | None:
    """Set ``optim_wrapper.optimizer.fused`` where the optimizer has such a kernel; say so.

    SGD, Adam and AdamW have one.  Its numbers are those of torch's loop over the tensors, up to
    rounding (bit-equal for SGD on the CPUs that were tried).  A config that states ``fused`` or
    ``foreach`` decides itself.
    """
    optimizer = (cfg.get("optim_wrapper") or {}).get("optimizer") or {}
    kind = OPTIMIZERS.get(str(optimizer.get("type")))
    takes_it = kind is not None and "fused" in inspect.signature(kind).parameters
    if not takes_it or get_device() not in DEVICES or any(key in optimizer for key in STATED):
        return None
    optimizer["fused"] = True
    switch = "optim_wrapper.optimizer.fused=False switches it off"
    return f"update: {optimizer['type']} in one kernel ({switch})"


def settle_kernels(optimizer: Optimizer, stored: Mapping[str, Any], is_needed: bool) -> str | None:
    """Settle with which kernels a resumed run updates, before the optimizer takes the state.

    torch takes those of the file.  They stay, but for what the config states: without fused, which
    no default of ours is, or fused where it is needed.

    Args:
        optimizer: As the config built it.
        stored: The optimizer's state of the file; changed.
        is_needed: Whether steps may be left out, for which the kernel has to be fused.

    Returns:
        The line that says what changed.
    """
    groups, built = stored.get("param_groups") or [], optimizer.param_groups[0]
    was, now = ([bool(one.get(key)) for key in KERNELS] for one in (*groups[:1], built, built)[:2])
    if was == now:
        return None
    if now[0] and not is_needed:
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
        return None
    for group in groups:
        group.update({key: built.get(key) for key in KERNELS})
    told = (
        f"optim_wrapper.optimizer.{key} was {before}, now {after}"
        for key, before, after in zip(KERNELS, was, now, strict=True)
        if before != after
    )
    return f"resumed with other values, so that results may differ by rounding: {'; '.join(told)}"


@contextlib.contextmanager
def one_group_per_setting(optimizer: Optimizer) -> Iterator[None]:
    """Let a fused optimizer update all tensors of the same settings at once, within the context.

    mmengine's constructors make a group for each tensor where weight decay or the lr depends on the
    kind of tensor, and torch calls its kernel for each group.  Schedules and checkpoints keep these
    groups.  Tensors without a state, whose first gradient this is, come apart from the others:
    torch's fused SGD cannot take both together.
    """
    groups = optimizer.param_groups
    # A single group is joined already, if each of its tensors has a state.
    together = len(groups) == 1 and len(optimizer.state) == len(groups[0]["params"])
    if not together and any(group.get("fused") for group in groups):
        optimizer.param_groups = _joined(optimizer)
    try:
        yield
    finally:
        optimizer.param_groups = groups


def _joined(optimizer: Optimizer) -> list[dict[str, Any]]:
    joined: list[tuple[bool, dict[str, Any], list[Any]]] = []
    for group in optimizer.param_groups:
        settings = {key: value for key, value in group.items() if key != "params"}
        for has_state in (True, False):  # the others get one below
            tensors = [one for one in group["params"] if (one in optimizer.state) is has_state]
            if not has_state:
                _begin_momentum(optimizer, group, tensors)
            for old, stated, together in joined:
                if old is has_state and stated == settings:
                    together += tensors
                    break
            else:
                joined.append((has_state, settings, tensors))
    return [{**settings, "params": tensors} for _, settings, tensors in joined if tensors]


def _begin_momentum(optimizer: Optimizer, group: dict[str, Any], tensors: list[Any]) -> None:
    """Begin SGD's momentum with zeros where torch would leave it as the memory was.

    It does so in a first step that is left out (``found_inf``), as fp16's often is, and adds to
    that in the second.  With dampening, the first step is another with zeros: it stays torch's.
    """
    if group.get("momentum") and group.get("dampening") == 0:
        for one in tensors:
            if one.grad is not None:
                optimizer.state[one]["momentum_buffer"] = torch.zeros_like(one.grad)
