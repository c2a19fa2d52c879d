"""What norms compute and no tensor shows: eps, and the groups of GN.

A card says it as ``norm``; a card without it is of BN with torch's eps.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

__all__ = ["PLAIN", "has_group_norms", "norm_in", "norm_of", "norm_words"]

EPS = 1e-5  # torch's, of BN and GN
PLAIN: dict[str, Any] = {"type": "BN", "eps": EPS}


def norm_of(norm_cfg: Any) -> dict[str, Any] | None:
    """Return what a card says of the norms of a ``norm_cfg``; None for BN with torch's eps."""
    stated = norm_cfg if isinstance(norm_cfg, Mapping) else {}
    eps = stated.get("eps", EPS)
    if stated.get("type") == "GN":
        return {"type": "GN", "eps": eps, "num_groups": stated.get("num_groups")}
    return None if eps == EPS else {"type": "BN", "eps": eps}


def norm_in(module: nn.Module) -> dict[str, Any] | None:
    """Return the same of a layer, also for BN with torch's eps; None if it is no such norm."""
    if isinstance(module, BatchNorm):
        return {"type": "BN", "eps": module.eps}
    if isinstance(module, nn.GroupNorm):
        return {"type": "GN", "eps": module.eps, "num_groups": module.num_groups}
    return None


def norm_words(norm: Mapping[str, Any]) -> str:
    """Return a card's ``norm`` in words: ``GN with eps 1e-05, num_groups 4``."""
    values = ", ".join(f"{name} {value}" for name, value in norm.items() if name != "type")
    return f"{norm['type']} with {values}"


def has_group_norms(names: Iterable[str]) -> bool:
    """Return whether tensors of these names are of a ResNet with GN."""
    return any(".gn" in name for name in names)
