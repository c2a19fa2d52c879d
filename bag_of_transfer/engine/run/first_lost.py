"""Find where a network's numbers are lost: in a layer's output, the loss, or a gradient."""

import contextlib
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from bag_of_transfer.engine.loop.draws import kept_generators
from bag_of_transfer.engine.loop.loops import losses_of, total_loss
from bag_of_transfer.engine.weights.finite import first_non_finite

__all__ = ["Pass", "look_at"]

OPERATION = re.compile(r"Function '(\w+)' returned nan")


class Pass:
    """What a forward and a backward pass gave.

    Attributes:
        losses: What the network returned, by name.
        forward: The first layer whose output is no number, in words; empty if all are numbers.
        backward: The first gradient that is no number, in words; empty if there is none.
    """

    def __init__(self) -> None:
        self.losses: dict[str, float] = {}
        self.forward = self.backward = ""

    @property
    def place(self) -> str:
        """Return where the numbers were lost, in words; empty if they were not."""
        if self.forward:
            return f"forward, {self.forward}"
        wrong = [name for name, value in self.losses.items() if not math.isfinite(value)]
        if wrong:
            return f"forward, {', '.join(wrong)}; the outputs of all layers are finite"
        return f"backward, {self.backward}" if self.backward else ""


def look_at(network: nn.Module, batch: Any, wrapper: OptimWrapper) -> Pass:
    """Compute a batch's loss and gradients, and look at every layer.

    Generators and gradients stay as they were; running statistics do not.

    Args:
        network: mmengine's, without the wrapper of several processes.
        batch: What a loader yields.
        wrapper: Of the run: its precision counts, nothing is updated.
    """
    seen = Pass()
    with _nothing_kept(network), _watched(network, seen):
        loss = _loss(network, batch, wrapper, seen)
        if not seen.forward and loss.requires_grad:
            loss.backward()
    if seen.backward:
        seen.backward += _operation(network, batch, wrapper)
    return seen


def _loss(network: Any, batch: Any, wrapper: OptimWrapper, seen: Pass) -> Tensor:
    with wrapper.optim_context(network):
        losses = losses_of(network, batch)
    loss, logged = total_loss(losses)
    seen.losses = {name: value.item() for name, value in logged.items() if "loss" in name}
    return loss


def _operation(network: nn.Module, batch: Any, wrapper: OptimWrapper) -> str:
    """Return torch's name of the operation whose backward pass gives NaN, if one does."""
    try:
        with (
            _nothing_kept(network),
            torch.autograd.set_detect_anomaly(True),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # a traceback, through torch and mmengine
            _loss(network, batch, wrapper, Pass()).backward()
    except RuntimeError as error:
        found = OPERATION.search(str(error))
        return f" (operation {found[1]})" if found else ""
    return ""


@contextlib.contextmanager
def _nothing_kept(network: nn.Module) -> Iterator[None]:
    """Leave generators as they were, and gradients, which several batches may add up."""
    kept = [(weight, weight.grad) for weight in network.parameters()]
    network.zero_grad()
    try:
        # torch would keep, and warn of, the generators of all GPUs that it sees.
        gpus = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with kept_generators(), torch.random.fork_rng(gpus):
            yield
    finally:
        for weight, gradient in kept:
            weight.grad = gradient


@contextlib.contextmanager
def _watched(network: nn.Module, seen: Pass) -> Iterator[None]:
    """Look at each layer's output and its gradient, and at the gradients of the weights."""
    handles = [
        module.register_forward_hook(partial(_after_layer, seen, name))
        for name, module in network.named_modules()
        if name  # the losses are looked at by their names
    ]
    handles += [
        weight.register_hook(partial(_after_gradient, seen, name))
        for name, weight in network.named_parameters()
        if weight.requires_grad
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _after_layer(seen: Pass, name: str, module: nn.Module, given: Any, output: Any) -> None:
    tensors = dict(_tensors(output))
    lost = first_non_finite(tensors)
    what = f"the output of {name} ({type(module).__name__})"
    if lost is not None and not seen.forward:
        seen.forward = f"{what} holds {_content(tensors[lost])}"
    for tensor in tensors.values():
        if tensor.requires_grad and tensor.is_floating_point():
            tensor.register_hook(partial(_after_gradient, seen, what))


def _after_gradient(seen: Pass, what: str, gradient: Tensor) -> None:
    if not seen.backward and first_non_finite({"": gradient}) is not None:
        seen.backward = f"the gradient of {what} holds {_content(gradient)}"


def _content(tensor: Tensor) -> str:
    return "NaN" if bool(tensor.isnan().any()) else "infinity"


def _tensors(output: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(output, Tensor):
        yield name, output
    elif isinstance(output, Mapping | list | tuple):
        pairs = output.items() if isinstance(output, Mapping) else enumerate(output)
        for key, value in pairs:
            yield from _tensors(value, f"{name}.{key}")
