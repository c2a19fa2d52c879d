"""What a card says of a network: the facts that the description of a classifier gives.

They are read from a checkpoint when it is exported, or from a config before it is trained.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from mmengine.registry import MODELS
from torch import Tensor

from backbones.blocks import VARIANTS
from backbones.undrawn import WithoutDrawing
from bag_of_transfer.engine.config.described import admit
from bag_of_transfer.engine.config_nodes import bare_type
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.transfer.backbone_card import SCHEMA, TIMM, Card, make_card
from bag_of_transfer.transfer.layouts.renaming import Shape
from bag_of_transfer.transfer.mismatch import compare
from bag_of_transfer.transfer.network_shapes import describe, shapes_of
from bag_of_transfer.transfer.norms import PLAIN, has_group_norms, norm_of
from bag_of_transfer.transfer.resnet_type import equivalent_type
from bag_of_transfer.transfer.timm_networks import architecture_of, network_on_meta

__all__ = ["BackboneFacts", "network_fields", "planned_backbone"]

OURS = "ClassificationPreprocessor"
SWAPS = ("bgr_to_rgb", "to_rgb", "rgb_to_bgr")  # OpenMMLab's loaders read BGR
# Of a training that is yet to come.
UNKNOWN: dict[str, Any] = {
    **{"tricks": {}, "metrics": {}, "dataset": "", "source": "", "sha256": "0" * 64},
    **{"seed": None, "epochs": None},
}


class BackboneFacts(NamedTuple):
    """What is known of a backbone without its weights.

    Args:
        card: Its card.
        shapes: The shapes of its tensors, by name.
    """

    card: Card
    shapes: Mapping[str, Shape]


def planned_backbone(model: Mapping[str, Any], where: object) -> BackboneFacts:
    """Return what is known of the backbone that a classifier hands over once it is trained.

    The card has what the network decides; of the training it says nothing.

    Args:
        model: The config of the classifier.
        where: Names the config in errors.

    Raises:
        UserError: As :func:`network_fields`, or if a card cannot hold what the config says.
        Exception: As the backbone's class, if it cannot be built.
    """
    with torch.device("meta"), WithoutDrawing():
        tensors = MODELS.build(model["backbone"]).state_dict()
    images = model.get("data_preprocessor") or {}
    order = getattr(MODELS.get(str(images.get("type"))), "channel_order", None)
    fields = network_fields(tensors, model, where, order)
    shapes = shapes_of(tensors)
    known = {"schema": SCHEMA, **fields, "num_tensors": len(shapes)}
    return BackboneFacts(make_card(UNKNOWN | known, where, "correct the config's model"), shapes)


def network_fields(
    tensors: Mapping[str, Tensor],
    model: Mapping[str, Any],
    where: object,
    channel_order: str | None = None,
) -> dict[str, Any]:
    """Return the fields of a card that describe a network and how its images are normalised.

    Shapes and description must agree, because a wrong card would spoil every later run.

    Args:
        tensors: The tensors of the backbone, by name.
        model: The config or description of the classifier.
        where: Names the checkpoint or config in errors.
        channel_order: The order of the images' channels where the description does not say it:
            what the preprocessor's class says, or the user; None if nobody does.

    Raises:
        UserError: If the backbone is neither one of our ResNets nor a TimmNetwork, its tensors
            are those of another network than it says, or nothing says how images are normalised
            or in which order their channels are.
    """
    network = _check_network(tensors, model["backbone"], where)
    images = model.get("data_preprocessor")
    return {**network, **_normalisation(images, network["in_channels"], channel_order, where)}


def _check_network(
    tensors: Mapping[str, Tensor], backbone: dict[str, Any], where: object
) -> dict[str, Any]:
    if bare_type(backbone) == TIMM:
        return _check_timm_network(tensors, backbone, where)
    network = describe(shapes_of(tensors))
    stated = equivalent_type(backbone)
    if network is None or network.depth is None or stated is None:
        raise UserError(
            f"the backbone {backbone.get('type')} is neither a ResNet-A, -B, -C or -D nor a "
            "TimmNetwork",
            where,
            "only these can be exported",
        )
    letter = VARIANTS[stated].letter
    if letter not in network.variants or backbone.get("depth") != network.depth:
        raise UserError(
            f"the tensors are those of {network}, but the checkpoint's config says "
            f"{stated}-{backbone.get('depth')}",
            where,
            "the checkpoint is inconsistent: train again",
        )
    norm = norm_of(backbone.get("norm_cfg"))
    kind = (norm or PLAIN)["type"]
    if (kind == "GN") != has_group_norms(tensors):
        raise UserError(
            f"the checkpoint's config says {kind}, which the tensors are not of",
            where,
            "the checkpoint is inconsistent: train again",
        )
    plain = {"type": stated, "variant": letter, **network.sizes}
    return plain if norm is None else {**plain, "norm": norm}


def _check_timm_network(
    tensors: Mapping[str, Tensor], backbone: dict[str, Any], where: object
) -> dict[str, Any]:
    backbone = admit(backbone, where)
    name, options = architecture_of(str(backbone.get("name"))), backbone.get("options") or {}
    wanted = shapes_of(network_on_meta(name, options, where).state_dict())
    comparison = compare(wanted, shapes_of(tensors))
    if not comparison.fits:
        raise UserError(
            f"{comparison}, compared with the {name} that the checkpoint's config names",
            where,
            "the checkpoint is inconsistent, or was made with another release of timm: train again",
        )
    return {
        "type": TIMM,
        "variant": name,
        "in_channels": options.get("in_chans", 3),
        **dict.fromkeys(("depth", "stem_channels", "base_channels")),
        "options": options,
    }


def _normalisation(preprocessor: Any, num: int, told: str | None, where: object) -> dict[str, Any]:
    if not isinstance(preprocessor, dict) or not {"mean", "std"} <= preprocessor.keys():
        raise UserError(
            "nothing says how the images of the network are normalised",
            f"{where} (model.data_preprocessor)",
            "set mean and std there, and train with them",
        )
    order = _stated_order(preprocessor) or told
    if order is None and num == 3:
        name = without_colons(bare_type(preprocessor)[:60])
        raise UserError(
            f"nothing says whether {name} gives the network RGB or BGR",
            f"{where} (model.data_preprocessor)",
            'write channel_order = "RGB" into its class before the training, or say it after it, '
            "tools/export_backbone.py --channel-order RGB",
        )
    return {
        "mean": _per_channel(preprocessor["mean"], num),
        "std": _per_channel(preprocessor["std"], num),
        "channel_order": order or "RGB",  # other images are read as they are stored
        "value_range": [0, 255],
    }


def _per_channel(values: Any, num: int) -> Any:
    """Return a mean or std with one value per channel: a single value is for all channels."""
    is_list = isinstance(values, list | tuple)
    return list(values) * num if is_list and len(values) == 1 else values


def _stated_order(preprocessor: dict[str, Any]) -> str | None:
    if bare_type(preprocessor) == OURS:
        return "RGB"  # our loader reads RGB, and nothing swaps channels
    if not any(swap in preprocessor for swap in SWAPS):
        return None
    return "RGB" if preprocessor.get("bgr_to_rgb") or preprocessor.get("to_rgb") else "BGR"
