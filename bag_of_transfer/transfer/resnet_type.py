"""Which of our ResNets a config asks for, whichever library wrote it."""

from collections.abc import Mapping
from typing import Any

from backbones.blocks import VARIANTS

__all__ = ["bare_type", "equivalent_type"]


def bare_type(config: Mapping[str, Any]) -> str:
    """Return a config's ``type`` without its scope: ``ResNet`` of ``mmdet.ResNet``."""
    return str(config.get("type", "")).split(".")[-1]


def equivalent_type(backbone: Mapping[str, Any]) -> str | None:
    """Return our class that computes what a backbone's config asks for; None if there is none.

    Args:
        backbone: Config with one of our types, or with mmdet's or mmseg's ResNets.
    """
    kind = bare_type(backbone)
    if kind in VARIANTS:
        return kind
    if kind in ("ResNetV1c", "ResNetV1d"):
        return f"ResNet{kind[-1].upper()}"
    if kind != "ResNet":
        return None
    if backbone.get("deep_stem"):
        return "ResNetD" if backbone.get("avg_down") else "ResNetC"
    # mm*'s style="caffe" has the stride in a bottleneck's first 1x1.
    return "ResNetA" if backbone.get("style") == "caffe" else "ResNetB"
