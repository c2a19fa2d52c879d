"""Normalisation layers by name, and ways to keep their statistics.

Letters: B batch, C channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

__all__ = ["NORMS", "NormsByName", "StatisticsKept", "build_norm", "hold_batch_norms"]

# mmcv's names, in a table of ours, because the networks need only torch and mmengine.
NORMS: dict[str, type[nn.Module]] = {
    "BN": nn.BatchNorm2d,
    "SyncBN": nn.SyncBatchNorm,
    "GN": nn.GroupNorm,
}


def build_norm(norm_cfg: Mapping[str, Any], num_channels: int) -> nn.Module:
    """Build the layer that ``norm_cfg`` names.

    Args:
        norm_cfg: ``type`` (a key of ``NORMS``), ``requires_grad`` (False: scale and shift are
            not trained; default True), and arguments of the torch class, such as ``eps``.
        num_channels: C of its input B C H W.

    Raises:
        ValueError: If the type is unknown or its arguments do not fit.
    """
    kwargs = dict(norm_cfg)
    kind, requires_grad = kwargs.pop("type", None), kwargs.pop("requires_grad", True)
    if kind not in NORMS:
        raise ValueError(f"norm_cfg type must be one of {sorted(NORMS)}, got {kind!r}")
    kwargs["num_channels" if kind == "GN" else "num_features"] = num_channels
    try:
        norm = NORMS[kind](**kwargs)
    except TypeError as error:
        raise ValueError(f"norm_cfg {dict(norm_cfg)} does not fit {kind}: {error}") from error
    return norm.requires_grad_(requires_grad)


class NormsByName(nn.Module):
    """A module whose norms have the names ``bn1``, ``bn2`` ... or, for GN, ``gn1``, as in mm*."""

    _norm_prefix = "bn"

    def add_norm(self, index: int, norm_cfg: Mapping[str, Any], num_channels: int) -> None:
        """Build norm number ``index`` and give it the name that checkpoints use."""
        self._norm_prefix = "gn" if norm_cfg.get("type") == "GN" else "bn"
        self.add_module(f"{self._norm_prefix}{index}", build_norm(norm_cfg, num_channels))

    def norm(self, index: int) -> nn.Module:
        """Return norm number ``index``, counted from 1."""
        norm: nn.Module = getattr(self, f"{self._norm_prefix}{index}")
        return norm


def hold_batch_norms(module: nn.Module) -> None:
    """Put every batch norm (also SyncBN) in ``module`` into eval mode."""
    for child in module.modules():
        if isinstance(child, BatchNorm):
            child.eval()


class StatisticsKept:
    """Context in which batch norms train without changing their running statistics.

    Activation checkpointing runs a block's forward a second time; without this each batch would
    be counted twice. A class, not a generator: torch may enter it again on a second backward.
    """

    def __init__(self, module: nn.Module) -> None:
        """Keep ``module``; its norms are looked up when the context is entered."""
        self.module = module
        self.saved: list[tuple[BatchNorm, float | None, Tensor | None]] = []

    def __enter__(self) -> None:
        """Give new batches weight 0 in the running averages."""
        for norm in self.module.modules():
            if isinstance(norm, BatchNorm):
                count = norm.num_batches_tracked
                self.saved.append((norm, norm.momentum, None if count is None else count.clone()))
                norm.momentum = 0.0

    def __exit__(self, *exc_info: object) -> None:
        """Restore momentum and the number of batches seen."""
        while self.saved:
            norm, momentum, count = self.saved.pop()
            norm.momentum = momentum
            if count is not None and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.copy_(count)
