"""The card of converted weights: its network comes from the shapes, its images from the source."""

from collections.abc import Mapping
from typing import Any

from mmengine.registry import MODELS
from torch import Tensor, nn

import backbones  # noqa: F401  registers ResNetA to ResNetD
from backbones.blocks import DEPTHS, VARIANTS
from backbones.undrawn import WithoutDrawing
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.convert.sources import Source
from bag_of_transfer.transfer.layouts.layout import Layout
from bag_of_transfer.transfer.layouts.table import layout_named
from bag_of_transfer.transfer.network_shapes import SIZES, Description, describe, shapes_of

__all__ = ["OTHERS", "UNKNOWN", "build_network", "card_fields", "images_line"]

OTHERS = "convert ResNeXt, wide, SE and other relatives as networks of timm, --timm-name NAME"
UNKNOWN: dict[str, Any] = {
    "tricks": {},
    "dataset": "unknown",
    "metrics": {},
    "seed": None,
    "epochs": None,
}


def card_fields(source: Source, layout: Layout, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return all fields of the card except ``sha256`` and ``num_tensors``.

    Args:
        source: The source; its own fields replace those that its layout implies.
        layout: The layout of the source.
        tensors: The tensors, in our layout.

    Raises:
        UserError: If the shapes are not those of a ResNet-A, -B, -C or -D of a supported depth.
    """
    shapes = shapes_of(tensors)
    firsts = ("stem.0.weight", "stem.6.weight", "conv1.weight", "layer1.0.conv1.weight")
    is_conv = all(len(shapes[name]) == 4 for name in firsts if name in shapes)
    network = describe(shapes) if is_conv else None
    if network is None:
        raise UserError(
            "conv1 or layer1 is missing, or not a convolution",
            source.where,
            f"give the whole file; {OTHERS}",
        )
    _check_depth(network, source.where)
    # detectron2's file of torchvision's network has the names of Caffe, but nothing else of it.
    origin = layout_named(source.author) or layout
    plain = origin.plain_variant
    letter = plain if plain in network.variants else network.variants[0]
    kind = source.fields.get("type", f"ResNet{letter}")
    return {
        "type": kind,
        "variant": VARIANTS[kind].letter,
        **network.sizes,
        "value_range": [0, 255],
        **origin.images.fields(),
        **UNKNOWN,
        **source.fields,
    }


def _check_depth(network: Description, where: str) -> None:
    if network.num_stages != 4:
        what = f"the file holds only {network.num_stages} of 4 stages"
        raise UserError(what, where, "give the whole network")
    if network.depth is None:
        raise UserError(
            f"the blocks are not those of a supported depth, {network}",
            where,
            f"convert a network of depth {', '.join(map(str, DEPTHS))}",
        )
    if network.in_channels != 3:
        raise UserError(
            f"the network reads images of {network.in_channels} channels",
            where,
            "give weights of a network that reads three channels",
        )


def build_network(fields: Mapping[str, Any]) -> nn.Module:
    """Build our ResNet of a card's type, depth and widths; its weights are undefined.

    Raises:
        UserError: If our ResNets cannot have such widths.
    """
    settings = {name: fields[name] for name in ("type", *SIZES)}
    settings["norm_cfg"] = fields.get("norm")
    try:
        with WithoutDrawing():
            network: nn.Module = MODELS.build(settings)
    except ValueError as error:
        mend = f"{OTHERS} ({error})"
        raise UserError("our ResNets cannot have these widths", f"{settings}", mend) from error
    return network


def images_line(fields: Mapping[str, Any]) -> str:
    """Return a line to print about the images that the network reads."""
    mean, std = ([round(value, 3) for value in fields[name]] for name in ("mean", "std"))
    num = fields["in_channels"]
    kind = fields["channel_order"] if num == 3 else f"{num} channels as stored"
    return f"images: {kind}, mean {mean}, std {std} on 0 to 255"
