"""Build networks of timm without weights, and compare them with a card."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from backbones import TimmNetwork
from backbones.undrawn import WithoutDrawing
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.transfer.backbone_card import Card

__all__ = ["TASK_OPTIONS", "architecture_of", "is_network_of", "network_on_meta"]

# Options that depend on the task: segmentation uses the same weights at another stride.
TASK_OPTIONS = ("output_stride",)


def architecture_of(name: str) -> str:
    """Return a name without the tag of its weights: ``resnet50d`` of ``resnet50d.a1_in1k``."""
    return name.partition(".")[0]


def network_on_meta(
    name: str, options: Mapping[str, Any], where: object, **arguments: Any
) -> TimmNetwork:
    """Build a network of timm without memory for weights, to read its names, shapes and strides.

    Args:
        name: A name of ``timm.list_models()``.
        options: Arguments of ``timm.create_model``.
        where: The file or config key, for the error.
        arguments: More arguments of :class:`TimmNetwork`.

    Raises:
        UserError: If timm is missing, cannot build the network, or the network lacks a stage of
            ``out_indices``.
    """
    try:
        with torch.device("meta"), WithoutDrawing():
            return TimmNetwork(name, options=options, **arguments)
    except ValueError as error:
        mend = "give a name and options that timm can build"
        raise UserError(without_colons(error), where, mend) from error


def is_network_of(card: Card, network: nn.Module) -> bool:
    """Return whether a network has the card's name and options; strides may differ."""
    return (
        isinstance(network, TimmNetwork)
        and architecture_of(network.name) == card.variant
        and _comparable(network.options) == _comparable(card.options or {})
    )


def _comparable(options: Mapping[str, Any]) -> Any:
    kept = {name: value for name, value in options.items() if name not in TASK_OPTIONS}
    return json.loads(json.dumps(kept, sort_keys=True, default=str))
