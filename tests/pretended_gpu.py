"""A GPU that is pretended: tensors say that they are on it, and are computed on the CPU.

Whole tools run so.  An operation between tensors of both devices raises, as on a GPU; autocast is
that of a GPU; and what makes the host wait for the device is noted.  torch's autograd engine wants
a real device, so a backward pass gives made-up gradients.
"""

import contextlib
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

__all__ = ["Waits", "pretended_gpu"]

ATEN = torch.ops.aten
# These take an index, a number or a source from the other device.
MAY_MIX = (ATEN._to_copy, ATEN.copy_, ATEN.index, ATEN.index_put, ATEN.index_put_)
WAITING = (ATEN._local_scalar_dense, ATEN.nonzero, ATEN.equal, ATEN.masked_select, ATEN._unique2)
GRADIENT = 1e-3


class Waits:
    """Where the host has waited for the device, as ``file.py:line``.

    Attributes:
        places: The innermost lines outside of torch.
    """

    def __init__(self) -> None:
        self.places: list[str] = []

    def note(self) -> None:
        frames = traceback.extract_stack()
        outside = [f for f in frames if "/torch/" not in f.filename and f.filename != __file__]
        self.places.append(f"{outside[-1].filename}:{outside[-1].lineno}")


_waits = Waits()


class OnGpu(Tensor):
    """A tensor that says so; ``held`` has its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnGpu":
        self = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), held.stride(), dtype=held.dtype, device=torch.device("cuda:0")
        )
        self.held = held
        return self

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def __getitem__(self, at: Any) -> Any:  # torch would copy a list's numbers to the device
        parts = at if isinstance(at, tuple) else (at,)
        there = tuple(_put(torch.tensor(p)) if isinstance(p, list) else p for p in parts)
        return super().__getitem__(there if any(isinstance(p, list) for p in parts) else at)

    def new_tensor(self, data: Any, **more: Any) -> Tensor:
        return _put(self.held.new_tensor(data, **more))


def _reading(name: str) -> Callable[..., Any]:
    """Return a method that reads the numbers, and notes that it waits."""

    def read(self: OnGpu, *args: Any, **more: Any) -> Any:
        _waits.note()
        assert name not in ("numpy", "__array__"), "can't convert cuda to numpy"
        return getattr(self.held, name)(*args, **more)

    return read


# Not of all tensors: a special method that is put into their class and taken out leaves traces.
for _name in ("tolist", "item", "numpy", "__array__", "__bool__", "__float__", "__int__"):
    setattr(OnGpu, _name, _reading(_name))


class _Factories(TorchDispatchMode):
    """Sees what makes a tensor on the GPU without being given one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    kind, given = func.overloadpacket, tree_flatten((args, kwargs))[0]
    here = [one for one in given if isinstance(one, OnGpu)]
    device = kwargs.get("device")
    others = [o for o in given if isinstance(o, Tensor) and o.ndim and not isinstance(o, OnGpu)]
    if here and others and kind not in MAY_MIX:
        raise RuntimeError(f"{func}: expected all tensors to be on the same device")
    index = args[1] if kind in (ATEN.index, ATEN.index_put_) else []
    from_elsewhere = any(
        isinstance(one, Tensor) and (one.dtype == torch.bool or not isinstance(one, OnGpu))
        for one in index
    )
    if (here and (kind in WAITING or from_elsewhere)) or _is_copied(kind, args, device):
        _waits.note()
    result = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if func._schema.is_mutable and not func._schema.name.startswith("aten::_foreach"):
        changed = kwargs.get("out", args[0] if args else None)
        return changed if isinstance(result, Tensor) else result
    on_gpu = bool(here) if device is None else torch.device(device).type == "cuda"
    return tree_map(_put, result) if on_gpu else result


def _is_copied(kind: Any, args: Any, device: Any) -> bool:
    """Return whether an operation copies to the device or from it."""
    if kind is ATEN.copy_:
        return isinstance(args[0], OnGpu) != isinstance(args[1], OnGpu)
    if kind is not ATEN._to_copy or device is None:
        return False
    return isinstance(args[0], OnGpu) != (torch.device(device).type == "cuda")


def _held(value: Any) -> Any:
    if isinstance(value, torch.device) and value.type == "cuda":
        return torch.device("cpu")
    return value.held if isinstance(value, OnGpu) else value


def _put(value: Any) -> Any:
    return OnGpu(value) if isinstance(value, Tensor) and not isinstance(value, OnGpu) else value


@contextlib.contextmanager
def pretended_gpu() -> Iterator[Waits]:
    """Pretend that there is a GPU, within the context; return where the host waits for it."""
    torch._C._ensureCUDADeviceGuardSet()  # one that does nothing, as there is no device
    state = torch.zeros(16, dtype=torch.uint8)
    cuda: dict[str, Any] = {
        **dict.fromkeys(("is_available", "is_bf16_supported"), True),
        **dict.fromkeys(("_lazy_init", "reset_peak_memory_stats", "manual_seed_all"), None),
        **dict.fromkeys(("set_rng_state", "set_rng_state_all", "synchronize"), None),
        **dict(device_count=1, current_device=0, get_device_name="pretended GPU"),
        **dict(max_memory_allocated=2**20, get_rng_state=state, get_rng_state_all=[state]),
        **dict(Stream=_Stream(), current_stream=_Stream(), stream=contextlib.nullcontext()),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, answer in cuda.items():
            patch.setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
        patch.setattr("mmengine.device.utils.DEVICE", "cuda")
        patch.setattr("mmengine.optim.optimizer.amp_optimizer_wrapper.is_cuda_available", _yes)
        patch.setattr(torch.backends.cudnn, "enabled", False)
        patch.setattr(nn.Module, "_apply", _apply)
        _patch_new_tensors(patch)
        _patch_backward(patch)
        with _Factories(), torch.no_grad():
            yield _waits


class _Stream:
    def wait_stream(self, other: Any) -> None:
        pass


def _yes() -> bool:
    return True


def _apply(self: nn.Module, change: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """Do what nn.Module does, with new parameters: torch cannot put one kind in another's place."""
    for child in self.children():
        child._apply(change)
    for name, one in self._parameters.items():
        if one is not None:
            self._parameters[name] = nn.Parameter(change(one.detach()), one.requires_grad)
    for name, buffer in self._buffers.items():
        self._buffers[name] = None if buffer is None else change(buffer)
    return self


def _patch_new_tensors(patch: pytest.MonkeyPatch) -> None:
    made = torch.tensor

    def tensor(data: Any, device: Any = None, **more: Any) -> Tensor:
        result = made(data, **more)
        on_gpu = torch.device(device or "cpu").type == "cuda"
        return OnGpu(result) if on_gpu else result.to(device or "cpu")

    patch.setattr(torch, "tensor", tensor)
    patch.setattr(Tensor, "pin_memory", lambda self, *_: self)


def _patch_backward(patch: pytest.MonkeyPatch) -> None:
    update, weights = OptimWrapper.update_params, []

    def update_params(self: OptimWrapper, *args: Any, **more: Any) -> None:
        weights[:] = [one for group in self.optimizer.param_groups for one in group["params"]]
        update(self, *args, **more)

    def backward(self: Tensor, *_: Any, **__: Any) -> None:
        for one in (weight for weight in weights if weight.requires_grad):
            new = torch.full_like(one, GRADIENT)
            one.grad = new if one.grad is None else one.grad + new

    patch.setattr(OptimWrapper, "update_params", update_params)
    patch.setattr(Tensor, "backward", backward)
