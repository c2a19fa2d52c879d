"""Mean and std of any length for mm*'s preprocessors, whose base class takes 1 or 3 values only."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

__all__ = ["AnyChannels"]


class AnyChannels(nn.Module):
    """Base class that gives a preprocessor of mm* one mean and std per channel.

    Name it before the preprocessor in the list of bases.

    Args:
        mean: One value per channel, on the 0 to 255 scale.
        std: As ``mean``.
        more: Arguments of the preprocessor.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], **more: Any) -> None:
        super().__init__(mean=[0.0], std=[1.0], **more)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), False)
