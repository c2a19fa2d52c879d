"""Copy the next batch to the GPU while the present one is computed."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from bag_of_transfer.engine.bare_network import network_of

__all__ = ["copied_ahead"]


def copied_ahead(batches: Iterable[Any], model: nn.Module) -> Iterator[Any]:
    """Yield batches whose tensors are on the model's GPU; on a CPU yield them as they are.

    A stream of its own copies batch n + 1 while step n computes, from pinned memory (see
    ``launch.share_cores``).  It first waits until step n - 1 has ended, whose batch may have lain
    where the copy goes.  The host does not wait for tensors in pinned memory; it waits for those
    that the loader cannot pin, such as boxes and masks within data samples.

    Args:
        batches: What a loader yields.
        model: mmengine's; its preprocessor moves a batch, and finds nothing to move afterwards.
    """
    device = next(model.parameters()).device
    network = network_of(model)
    if device.type != "cuda" or not hasattr(network, "data_preprocessor"):
        yield from batches
        return
    copying, computing = torch.cuda.Stream(device), torch.cuda.current_stream(device)

    def copy(batch: Any) -> Any:
        copying.wait_stream(computing)
        with torch.cuda.stream(copying), _without_waiting(network.data_preprocessor):
            return network.data_preprocessor.cast_data(batch)

    rest = iter(batches)
    for first in rest:
        ahead = copy(first)
        for batch in rest:
            computing.wait_stream(copying)
            present, ahead = ahead, copy(batch)
            yield present
        computing.wait_stream(copying)
        yield ahead


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
