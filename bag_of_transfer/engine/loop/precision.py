"""Mixed precision for the three tasks, on a CPU as well.

Paper: arXiv:1812.01187, sec. 3.2 (low-precision training): multiply in 16 bits, keep the weights
in 32.  fp16 needs loss scaling, because small gradients vanish in it; bf16 has fp32's range.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.update import Update

__all__ = [
    "MODES",
    "WRAPPERS",
    "AutocastOptimWrapper",
    "apply_precision",
    "autocast_of",
    "fast_precision",
    "is_left_to_the_machine",
]


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(Update):
    """Compute the forward pass in bf16, weights and updates in fp32; no loss scaling is needed.

    mmengine's AmpOptimWrapper refuses to run on a CPU.
    """

    cast_dtype = torch.bfloat16

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Cast inside the forward pass; otherwise do as the parent class (accumulation, DDP)."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, self.cast_dtype):
            yield


# The optimizer wrapper that each mode sets.
WRAPPERS = {
    "off": "OptimWrapper",
    "fp16": "AmpOptimWrapper",
    "bf16": AutocastOptimWrapper.__name__,
}
MODES = ("auto", *WRAPPERS)


def autocast_of(optim_wrapper: Config, device: str) -> AbstractContextManager:
    """Return the context in which a run of :func:`apply_precision` computes its forward pass."""
    kinds = {WRAPPERS["bf16"]: torch.bfloat16, WRAPPERS["fp16"]: torch.float16}
    dtype = kinds.get(optim_wrapper.get("type", ""))
    return torch.autocast(device, dtype) if dtype else nullcontext()


def fast_precision() -> str:
    """Return what ``auto`` is on this machine: ``bf16`` if it computes in it fast, else ``off``."""
    on_gpu = torch.cuda.is_available()
    fast = torch.cuda.is_bf16_supported(False) if on_gpu else _cpu_multiplies_bf16()
    return "bf16" if fast else "off"


def _cpu_multiplies_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def is_left_to_the_machine(cfg: Config, mode: str) -> bool:
    """Return whether neither the flag nor the config states a precision.

    Args:
        cfg: A training config.
        mode: The flag.
    """
    stated = cfg.optim_wrapper.get("type", WRAPPERS["off"])
    return mode == cfg.get("amp", "auto") == "auto" and stated == WRAPPERS["off"]


def apply_precision(cfg: Config, mode: str, stored: str | None = None) -> str:
    """Set the optimiser wrapper's type in ``cfg``; return the line that says so.

    With ``auto`` the config decides, if it says anything: ``amp = "off"``, or a wrapper of its
    own such as AmpOptimWrapper.  Else a run that is resumed keeps what it had.

    Args:
        cfg: A training config; changed.
        mode: ``auto``, ``off``, ``fp16`` or ``bf16``.
        stored: The mode of the run that is resumed; None if none is.

    Raises:
        UserError: If the config's ``amp`` is none of these, or it would be fp16 without a GPU:
            CPUs compute it slowly and without loss scaling.
    """
    stated = cfg.optim_wrapper.get("type", WRAPPERS["off"])
    if mode == "auto" and stated != WRAPPERS["off"]:
        return f"precision: {stated}, as the config says"
    origin, without_gpu = f"--amp {mode}", "use bf16 or off on a CPU"
    if mode == "auto" and "amp" in cfg:
        mode, origin = cfg.amp, "the config's amp"
        if mode not in MODES:
            mend = f"use one of {', '.join(MODES)}"
            raise UserError(f"amp={mode!r} is not a valid precision", "amp", mend)
    if mode == "auto" and stored:
        mode, origin = stored, "of the run that is resumed"
        without_gpu = "resume on a machine with a GPU, or name another --work-dir"
    if mode == "fp16" and not torch.cuda.is_available():
        raise UserError("fp16 needs a GPU", origin, without_gpu)
    precision = fast_precision() if mode == "auto" else mode
    cfg.optim_wrapper.type = WRAPPERS[precision]
    if precision == "fp16":
        cfg.optim_wrapper.update(dtype="float16")
        cfg.optim_wrapper.setdefault("loss_scale", "dynamic")
    else:
        for key in ("dtype", "loss_scale"):
            cfg.optim_wrapper.pop(key, None)
    return f"precision: {precision} ({origin})"
