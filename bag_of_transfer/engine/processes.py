"""Values that the processes of one run agree on."""

from typing import TypeVar

from mmengine.dist import all_reduce, broadcast_object_list
from torch import Tensor

__all__ = ["mean_over_processes", "of_first_process"]

T = TypeVar("T")


def of_first_process(value: T) -> T:
    """Return the value of the first process; all of them must call this at the same time."""
    values = [value]
    broadcast_object_list(values)
    return values[0]


def mean_over_processes(value: Tensor) -> Tensor:
    """Return a tensor's mean over the processes; all of them must call this at the same time.

    With a single process, the mean is the value itself.
    """
    mean = value.detach().clone()
    all_reduce(mean, "mean")
    return mean
