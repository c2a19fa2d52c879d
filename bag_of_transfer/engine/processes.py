"""What the processes of one run agree on."""

from mmengine.dist import all_reduce
from torch import Tensor

__all__ = ["mean_over_processes"]


def mean_over_processes(value: Tensor) -> Tensor:
    """Average a tensor over the processes; every one of them must call this at the same time.

    Where there is but one, the value comes back as it is.
    """
    mean = value.detach().clone()
    all_reduce(mean, "mean")
    return mean
