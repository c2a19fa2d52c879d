"""Copy the next batch to the GPU while the present one is computed."""

import contextlib
import copy
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from bag_of_transfer.engine.bare_network import network_of

__all__ = ["copied_ahead", "pin_data_samples"]


def copied_ahead(batches: Iterable[Any], model: nn.Module) -> Iterator[Any]:
    """Yield batches whose tensors are on the model's GPU; on a CPU yield them as they are.

    A stream of its own copies batch n + 1 while step n computes, from pinned memory (see
    ``launch.share_cores``).  It first waits until step n - 1 has ended, whose batch may have lain
    where the copy goes.  The host does not wait for tensors in pinned memory, those within data
    samples among them (:func:`pin_data_samples`); it waits for others.

    Args:
        batches: What a loader yields.
        model: mmengine's; its preprocessor moves a batch, and finds nothing to move afterwards.
    """
    device = next(model.parameters()).device
    network = network_of(model)
    if device.type != "cuda" or not hasattr(network, "data_preprocessor"):
        yield from batches
        return
    copying, computing = _copying_stream(device), torch.cuda.current_stream(device)

    def to_gpu(batch: Any) -> Any:
        copying.wait_stream(computing)
        with torch.cuda.stream(copying), _without_waiting(network.data_preprocessor):
            return network.data_preprocessor.cast_data(batch)

    rest = iter(batches)
    for first in rest:
        ahead = to_gpu(first)
        for batch in rest:
            computing.wait_stream(copying)
            present, ahead = ahead, to_gpu(batch)
            yield present
        computing.wait_stream(copying)
        yield ahead


@cache
def _copying_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the same stream in each epoch: memory that is freed serves its own stream again only.

    With another one each time, torch would keep the batches' memory of up to 32 streams.
    """
    return torch.cuda.Stream(device)


@contextlib.contextmanager
def _without_waiting(preprocessor: Any) -> Iterator[None]:
    """Let a preprocessor's copies return at once; it waits by default, and mmseg's always.

    torch keeps pinned memory until the stream has read it.
    """
    stated = preprocessor._non_blocking
    preprocessor._non_blocking = True
    try:
        yield
    finally:
        preprocessor._non_blocking = stated


def pin_data_samples() -> None:
    """Let loaders with ``pin_memory`` pin the boxes and masks within mmengine's data samples, too.

    torch asks what it does not know for a method of that name, which mmengine's classes lack.
    """
    if not hasattr(BaseDataElement, "pin_memory"):
        BaseDataElement.pin_memory = _pinned_sample


def _pinned_sample(sample: BaseDataElement) -> BaseDataElement:
    pinned = sample.new()
    pinned.set_data({key: _pinned(value) for key, value in sample.items()})
    return pinned


def _pinned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.pin_memory() if value.device.type == "cpu" else value
    if isinstance(value, BaseDataElement):
        return _pinned_sample(value)
    if isinstance(getattr(value, "tensor", None), Tensor):  # mmdet's boxes
        value = copy.copy(value)
        value.tensor = _pinned(value.tensor)
    return value
