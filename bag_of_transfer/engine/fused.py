"""One kernel for an optimizer's whole update, where torch has one."""

import inspect

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import OPTIMIZERS

__all__ = ["use_fused_update"]

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
