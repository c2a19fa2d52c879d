"""Fixtures of the backbone tests: networks in which no two tensors are equal."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.fast_builds import on_meta


def fill_every_tensor(module: nn.Module) -> nn.Module:
    """Fill each tensor with its own values.

    Fresh networks hide mistakes: unit batch norms look alike, and a zero gamma silences its
    whole branch. Weights are divided by the root of their fan-in so that 152 layers neither
    die nor overflow.
    """
    rng = torch.Generator().manual_seed(0)
    for tensor in module.state_dict().values():
        if not tensor.is_floating_point():
            tensor.zero_()
        elif tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5, generator=rng)
        else:
            bound = 1.5 / tensor[0].numel() ** 0.5
            tensor.uniform_(-bound, bound, generator=rng)
    return module


@pytest.fixture
def filled() -> Callable[..., nn.Module]:
    """Return ``filled(build, **kwargs)``: it builds a network without slow weights and fills it."""

    def build_and_fill(build: Callable[..., nn.Module], *args: object, **kwargs: object):
        with on_meta():
            module = build(*args, **kwargs)
        return fill_every_tensor(module.to_empty(device="cpu"))

    return build_and_fill
