"""The network itself, where a wrapper trains it in several processes."""

from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn

__all__ = ["network_of"]


def network_of(model: nn.Module) -> Any:
    """Return a Runner's model without DistributedDataParallel or another wrapper around it.

    Only the kinds of mmengine's registry are wrappers: a network may call a part ``module``, too.
    """
    return model.module if is_model_wrapper(model) else model
