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
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import TIMM, Card
from bag_of_transfer.transfer.layouts.renaming import Shape
from bag_of_transfer.transfer.mismatch import compare
from bag_of_transfer.transfer.network_shapes import describe, shapes_of
from bag_of_transfer.transfer.resnet_type import equivalent_type
from bag_of_transfer.transfer.timm_networks import architecture_of, network_on_meta

__all__ = ["BackboneFacts", "network_fields", "planned_backbone"]


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
        UserError: As :func:`network_fields`.
        Exception: As the backbone's class, if it cannot be built.
    """
    with torch.device("meta"), WithoutDrawing():
        tensors = MODELS.build(model["backbone"]).state_dict()
    unknown: dict[str, Any] = dict(tricks={}, metrics={}, dataset="", source="", sha256="")
    unknown |= dict(seed=None, epochs=None)
    fields = network_fields(tensors, model, where)
    shapes = shapes_of(tensors)
    return BackboneFacts(Card(num_tensors=len(shapes), **fields, **unknown), shapes)


def network_fields(
    tensors: Mapping[str, Tensor], model: Mapping[str, Any], where: object
) -> dict[str, Any]:
    """Return the fields of a card that describe a network and how its images are normalised.

    Shapes and description must agree, because a wrong card would spoil every later run.

    Args:
        tensors: The tensors of the backbone, by name.
        model: The config or description of the classifier.
        where: Names the checkpoint or config in errors.

    Raises:
        UserError: If the backbone is neither one of our ResNets nor a TimmNetwork, its tensors
            are those of another network than it says, or nothing says how images are normalised.
    """
    return {
        **_check_network(tensors, model["backbone"], where),
        **_normalisation(model.get("data_preprocessor"), where),
    }


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
    return {"type": stated, "variant": letter, **network.sizes}


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


def _normalisation(preprocessor: Any, where: object) -> dict[str, Any]:
    if not isinstance(preprocessor, dict) or not {"mean", "std"} <= preprocessor.keys():
        raise UserError(
            "nothing says how the images of the network are normalised",
            f"{where} (model.data_preprocessor)",
            "set mean and std there, and train with them",
        )
    return {
        "mean": preprocessor["mean"],
        "std": preprocessor["std"],
        "channel_order": _channel_order(preprocessor),
        "value_range": [0, 255],
    }


def _channel_order(preprocessor: dict[str, Any]) -> str:
    if preprocessor.get("type") == "ClassificationPreprocessor":
        return "RGB"  # our loader reads RGB, and nothing swaps channels
    # OpenMMLab's loaders read BGR.
    return "RGB" if preprocessor.get("bgr_to_rgb") or preprocessor.get("to_rgb") else "BGR"
