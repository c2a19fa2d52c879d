"""Find the ResNet of ours that a config describes, whichever library it is written for."""

from collections.abc import Mapping
from typing import Any

from backbones.blocks import VARIANTS
from bag_of_transfer.engine.config_nodes import bare_type

__all__ = ["equivalent_type"]


def equivalent_type(backbone: Mapping[str, Any]) -> str | None:
    """Return our class that computes the same as a backbone's config; None if there is none.

    Args:
        backbone: Config of one of our ResNets, or of one of mmdet's or mmseg's.
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
    # With mm*'s style="caffe" the first 1x1 convolution of a bottleneck has the stride.
    return "ResNetA" if backbone.get("style") == "caffe" else "ResNetB"
