"""Whether the tensors of a run or a file are numbers: one pass on their device, and one wait."""

import math
from collections.abc import Container, Mapping, Sequence

import torch
from mmengine.hooks import EMAHook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.errors import UserError

__all__ = ["first_non_finite", "lost_tensor", "refuse_non_finite"]

MAY_BE_INFINITE = "mask"  # in the last part of a name: infinity is what an attention leaves out


def first_non_finite(tensors: Mapping[str, Tensor], squared: Container[str] = ()) -> str | None:
    """Return the name of the first tensor that holds NaN or infinity; None if all are finite.

    This waits for each device once.  A mask, by its name, may hold infinity.

    Args:
        tensors: By name; those of whole numbers are left out.
        squared: Names of those in which a number beyond 1e19, whose square is infinite, counts.
    """
    named = {
        name: tensor.detach()
        for name, tensor in tensors.items()
        if (tensor.is_floating_point() or tensor.is_complex()) and tensor.numel()
    }
    by_device: dict[torch.device, list[str]] = {}
    for name, tensor in named.items():
        by_device.setdefault(tensor.device, []).append(name)
    suspects = {
        name
        for names in by_device.values()
        for name, norm in zip(names, _norms([named[name] for name in names]), strict=True)
        if not math.isfinite(norm)
    }
    every = (name for name in named if name in suspects)
    return next((name for name in every if _is_lost(name, named[name], name in squared)), None)


def _norms(tensors: Sequence[Tensor]) -> list[float]:
    # torch has no norms of 8-bit floats.
    wide = [one if one.element_size() > 1 else one.float() for one in tensors]
    norms: list[float] = torch.stack([one.float() for one in torch._foreach_norm(wide)]).tolist()
    return norms


def _is_lost(name: str, tensor: Tensor, squared: bool) -> bool:
    if squared and tensor.dtype in (torch.float32, torch.bfloat16):
        return True  # its norm is infinite; 16-bit floats of 5 bits' range have one sooner
    if tensor.element_size() == 1:
        tensor = tensor.float()
    may_be_infinite = MAY_BE_INFINITE in name.rpartition(".")[2]
    wrong = tensor.isnan() if may_be_infinite else ~tensor.isfinite()
    return bool(wrong.any())


def refuse_non_finite(tensors: Mapping[str, Tensor], where: object) -> None:
    """Check that all weights and running statistics in a file are numbers.

    Raises:
        UserError: If one holds NaN or infinity.
    """
    name = first_non_finite(tensors)
    if name is not None:
        raise UserError(
            f"{name} holds NaN or infinity",
            where,
            "the training had diverged: use an earlier checkpoint",
        )


def lost_tensor(runner: Runner) -> str | None:
    """Return the first tensor of a run that holds NaN or infinity; None if all are finite.

    Network, averages and the optimizer's state are looked at.  In weights, a number beyond 1e19
    counts as infinite: nothing but NaN comes out of them.
    """
    network = network_of(runner.model)
    weights = {name for name, _ in network.named_parameters()}
    return first_non_finite(_tensors_of(runner), weights)


def _tensors_of(runner: Runner) -> dict[str, Tensor]:
    network = network_of(runner.model)
    tensors = dict(network.state_dict())
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            averages = hook.ema_model.module.state_dict()
            tensors |= {f"the average of {name}": one for name, one in averages.items()}
    names = {parameter: name for name, parameter in network.named_parameters()}
    for optimizer in _optimizers(runner.optim_wrapper):
        for parameter, state in optimizer.state.items():
            name = names.get(parameter, "a tensor outside the network")
            for key, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"{key} of {name}"] = value
    return tensors


def _optimizers(wrapper: OptimWrapper) -> list[torch.optim.Optimizer]:
    several = wrapper.values() if hasattr(wrapper, "values") else [wrapper]
    return [one.optimizer for one in several]
