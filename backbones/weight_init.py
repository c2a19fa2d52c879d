"""How fresh weights are drawn, by name.

Letters: O output channels, I input channels, KH KW kernel size.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from .blocks import ResidualBlock
from .norm import NORMS

__all__ = ["INITS", "draw_weights", "msra_prelu_normal_", "zero_last_gammas"]


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
    """Draw all convolutions of ``module`` by rule ``init``; norms get gamma 1, beta 0.

    Raises:
        ValueError: If ``init`` is not a key of ``INITS``.
    """
    if init not in INITS:
        raise ValueError(f"init must be one of {sorted(INITS)}, got {init!r}")
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            INITS[init](child.weight)  # our convolutions have no bias
        elif isinstance(child, tuple(NORMS.values())):
            child.reset_parameters()


def zero_last_gammas(module: nn.Module) -> None:
    """Let every block of ``module`` start as its shortcut (arXiv:1812.01187, sec. 3.1)."""
    for child in module.modules():
        if isinstance(child, ResidualBlock):
            nn.init.zeros_(child.last_norm.weight)
