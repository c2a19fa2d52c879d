"""Rules for drawing fresh weights, by name.

Letters: O output channels, I input channels, KH KW kernel size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from .blocks import ResidualBlock

__all__ = [
    "INITS",
    "InitCfg",
    "SelfInitialised",
    "draw_weights",
    "msra_prelu_normal_",
    "zero_last_gammas",
]

InitCfg = dict[str, Any] | list[dict[str, Any]] | None


def msra_prelu_normal_(weight: Tensor, slope: float = 0.25) -> Tensor:
    """Fill ``weight`` (O I KH KW) from N(0, std), as GluonCV's training script does.

    That is MXNet's ``MSRAPrelu()`` (python/mxnet/initializer.py): the MSRA rule for leaky ReLUs
    with its default ``slope``, and the mean of both fans in place of the input's:
    ``std ** 2 = 2 / (1 + slope ** 2) / ((fan_in + fan_out) / 2)``, a fan counting the kernel's
    area. mm*'s ``Kaiming`` takes slope 0 and ``fan_out``.
    """
    num_out, num_in, *kernel = weight.shape
    mean_fan = (num_in + num_out) / 2 * math.prod(kernel)
    return nn.init.normal_(weight, 0.0, math.sqrt(2 / (1 + slope**2) / mean_fan))


# xavier: U(-a, a), a = sqrt(6 / (fan_in + fan_out)), arXiv:1812.01187, sec. 2.1.
INITS: dict[str, Callable[[Tensor], Tensor]] = {
    "msra": msra_prelu_normal_,
    "xavier": nn.init.xavier_uniform_,
}


def draw_weights(module: nn.Module, init: str) -> None:
    """Draw all convolutions of ``module`` by rule ``init``, a key of ``INITS``; gamma 1, beta 0."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            INITS[init](child.weight)  # our convolutions have no bias
        elif isinstance(child, nn.BatchNorm2d | nn.SyncBatchNorm | nn.GroupNorm):
            child.reset_parameters()


def zero_last_gammas(module: nn.Module) -> None:
    """Make every block of ``module`` start as its shortcut (arXiv:1812.01187, sec. 3.1)."""
    for child in module.modules():
        if isinstance(child, ResidualBlock):
            nn.init.zeros_(child.last_gamma)


class SelfInitialised(BaseModule):
    """A module that draws its weights by a named rule before ``init_cfg`` is run.

    Args:
        init: A key of ``INITS``.
        zero_init_residual: Zero the last gamma of each block.
        init_cfg: mmengine initialisers, run last, so a loaded file always wins.

    Raises:
        ValueError: If ``init`` is not a key of ``INITS``.
    """

    def __init__(self, init: str, zero_init_residual: bool, init_cfg: InitCfg) -> None:
        super().__init__(init_cfg)
        if init not in INITS:
            raise ValueError(f"init must be one of {sorted(INITS)}, got {init!r}")
        self.init, self.zero_init_residual = init, zero_init_residual

    def init_weights(self) -> None:
        """Draw weights by ``init``, zero the last gammas if asked to, then run ``init_cfg``.

        A second call changes nothing: it would overwrite what was loaded from a file.
        """
        if not self.is_init:
            draw_weights(self, self.init)
            if self.zero_init_residual:
                zero_last_gammas(self)
        super().init_weights()
