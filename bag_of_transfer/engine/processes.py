"""Values that the processes of one run agree on."""

from mmengine.dist import all_reduce
from torch import Tensor

__all__ = ["mean_over_processes"]


def mean_over_processes(value: Tensor) -> Tensor:
    """Return a tensor's mean over the processes; all of them must call this at the same time.

    With a single process, the mean is the value itself.
    """
    mean = value.detach().clone()
    all_reduce(mean, "mean")
    return mean
