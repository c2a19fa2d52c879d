"""Build networks without drawing weights that nobody looks at, which takes most of the time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from backbones.undrawn import WithoutDrawing


@contextmanager
def on_meta() -> Iterator[None]:
    """Build on the meta device: tensors have shapes only, and drawing them is skipped."""
    with torch.device("meta"), WithoutDrawing():
        yield


def fill_with_zero_by_default(patch: pytest.MonkeyPatch) -> None:
    """Fill layers with 0 where torch and timm draw default weights.

    What ``init_weights`` of a network forgets then stays 0.
    """
    patch.setattr(torch.nn.init, "kaiming_uniform_", _fill_with_zero)
    patch.setattr("timm.layers.weight_init._trunc_normal_", _fill_with_zero)


@torch.no_grad()
def _fill_with_zero(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
    return tensor.zero_()
