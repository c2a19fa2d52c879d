"""The card of converted weights: the network by its shapes, the images by where they are from."""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

import backbones  # noqa: F401  registers ResNetA to ResNetD
from backbones.blocks import DEPTHS, VARIANTS
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.convert.sources import Source
from bag_of_transfer.transfer.layouts.layout import Layout
from bag_of_transfer.transfer.layouts.table import layout_named
from bag_of_transfer.transfer.network_shapes import Description, describe, shapes_of

__all__ = ["OTHERS", "UNKNOWN", "build_network", "card_fields", "tell_images"]

OTHERS = "ResNeXt, wide, SE and other relatives go in as timm's own, by --timm-name NAME"
UNKNOWN: dict[str, Any] = {
    "tricks": {},
    "dataset": "unknown",
    "metrics": {},
    "seed": None,
    "epochs": None,
}


def card_fields(source: Source, layout: Layout, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Fill the card, but ``sha256`` and ``num_tensors``.

    Args:
        source: What it states goes before what its layout implies.
        layout: Of the source.
        tensors: In our layout.

    Raises:
        UserError: If the shapes are those of no ResNet-A, -B, -C or -D that we have.
    """
    shapes = shapes_of(tensors)
    firsts = ("stem.0.weight", "stem.6.weight", "conv1.weight", "layer1.0.conv1.weight")
    is_conv = all(len(shapes[name]) == 4 for name in firsts if name in shapes)
    found = describe(shapes) if is_conv else None
    if found is None:
        raise UserError(
            "conv1 or layer1 are missing, or no convolutions",
            source.where,
            f"give the whole file; {OTHERS}",
        )
    _check_depth(found, source.where)
    # detectron2's file of torchvision's network has only its names from Caffe.
    origin = layout_named(source.author) or layout
    plain = origin.plain_variant
    letter = plain if plain in found.variants else found.variants[0]
    kind = source.fields.get("type", f"ResNet{letter}")
    widths = {name: getattr(found, f"{name}_channels") for name in ("in", "stem", "base")}
    return {
        "type": kind,
        "variant": VARIANTS[kind].letter,
        "depth": found.depth,
        **{f"{name}_channels": width for name, width in widths.items()},
        "value_range": [0, 255],
        **origin.images.fields(),
        **UNKNOWN,
        **source.fields,
    }


def _check_depth(found: Description, where: str) -> None:
    if found.num_stages != 4:
        raise UserError(f"only {found.num_stages} of 4 stages", where, "give the whole network")
    if found.depth is None:
        raise UserError(
            f"blocks of no depth that we have, {found}",
            where,
            f"the depths {', '.join(map(str, DEPTHS))} can be converted",
        )
    if found.in_channels != 3:
        raise UserError(
            f"the network reads images of {found.in_channels} channels",
            where,
            "give weights of a network that reads three",
        )


def build_network(fields: Mapping[str, Any]) -> nn.Module:
    """Build our ResNet of a card's type, depth and widths; its weights are undefined.

    Raises:
        UserError: If we have none of such widths.
    """
    names = ("type", "depth", "in_channels", "stem_channels", "base_channels")
    settings = {name: fields[name] for name in names}
    try:
        with torch.device("meta"):  # without the time of drawing weights
            network: nn.Module = MODELS.build(settings)
    except ValueError as error:
        told = "no such ResNet of ours"
        raise UserError(told, f"{settings}", f"{OTHERS} ({error})") from error
    return network.to_empty(device="cpu")


def tell_images(fields: Mapping[str, Any]) -> str:
    """Say which images the network reads."""
    mean, std = ([round(value, 3) for value in fields[name]] for name in ("mean", "std"))
    num = fields["in_channels"]
    kind = fields["channel_order"] if num == 3 else f"{num} channels as stored"
    return f"images: {kind}, mean {mean}, std {std} on 0 to 255"
