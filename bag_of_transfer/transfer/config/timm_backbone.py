"""Put a network of timm into a config: keep the arguments that it takes, drop the others."""

from collections.abc import Mapping
from itertools import accumulate
from operator import mul
from typing import Any

from backbones import TimmNetwork
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import Card
from bag_of_transfer.transfer.config.config_writer import Settings
from bag_of_transfer.transfer.config.filled_parts import BACKBONE, HEAD
from bag_of_transfer.transfer.network_shapes import SIZES
from bag_of_transfer.transfer.timm_networks import TASK_OPTIONS, architecture_of, network_on_meta

__all__ = ["TAKEN", "put_timm_network", "stated_timm_network"]

TAKEN = (
    *("type", "name", "options", "out_indices", "frozen_stages", "norm_cfg", "norm_eval"),
    *("init", "init_cfg"),
)
FPN_CONFIG = "configs/detection/faster-rcnn_fpn_own-voc.py"
FIRST_STRIDE = 4  # stage 1 of every ResNet


def stated_timm_network(settings: Settings) -> TimmNetwork:
    """Build, without memory, the network of timm that is in the config.

    Raises:
        UserError: If timm cannot build it, or the config has a shared head.
    """
    backbone = settings.get(BACKBONE)
    _refuse_shared_head(settings)
    name = str(backbone.get("name"))
    return network_on_meta(name, backbone.get("options") or {}, BACKBONE, **_checked(backbone))


def put_timm_network(settings: Settings, card: Card) -> TimmNetwork:
    """Write the card's network into ``model.backbone``, whose type is set already.

    ``out_indices``, ``frozen_stages``, ``norm_cfg`` and ``norm_eval`` stay.  Strides and dilations
    that ask for larger maps become ``output_stride``, if the network has that option.

    Returns:
        The network, without memory, to read its channels and strides.

    Raises:
        UserError: If the config has a shared head or asks for something that only ResNets have, or
            if a detector would get maps of other strides than its anchors have.
    """
    _refuse_shared_head(settings)
    backbone = settings.get(BACKBONE)
    _compare_widths(settings, card)
    asked = _asked_strides(backbone)
    for key in [key for key in backbone if key not in TAKEN]:
        settings.drop(f"{BACKBONE}.{key}")
    network = _at_strides(settings, card, asked)
    settings.set(f"{BACKBONE}.name", card.variant, _same_architecture)
    if network.options or backbone.get("options"):
        settings.set(f"{BACKBONE}.options", network.options)
    return network


def _checked(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config's arguments that the network must support."""
    names = ("out_indices", "frozen_stages", "norm_cfg")
    return {name: backbone[name] for name in names if name in backbone}


def _refuse_shared_head(settings: Settings) -> None:
    if settings.get(HEAD) is not None:
        raise UserError(
            "a network of timm cannot be cut in two, so there is no stage for the shared head",
            HEAD,
            f"use a config with a feature pyramid, such as {FPN_CONFIG}, or the file of a ResNet",
        )


def _compare_widths(settings: Settings, card: Card) -> None:
    for key in SIZES:
        dotted = f"{BACKBONE}.{key}"
        stated = settings.get(dotted)
        if stated not in (None, getattr(card, key)) and settings.is_explicit(dotted):
            settings.disagree(dotted, getattr(card, key), f"(it is a {card.title})")


def _same_architecture(stated: str, wanted: str) -> bool:
    return architecture_of(stated) == wanted


# ---- strides ----


def _asked_strides(backbone: Mapping[str, Any]) -> dict[int, int] | None:
    """Return the stride of each map that the config asks for; None if it has no ResNet."""
    if backbone.get("depth") is None:
        return None
    strides = backbone.get("strides") or (1, 2, 2, 2)[: backbone.get("num_stages", 4)]
    totals = [FIRST_STRIDE * total for total in accumulate(strides, mul)]
    # Other indices are left to the network, which raises an error when it is built.
    wanted = backbone.get("out_indices", range(len(totals)))
    return {index: totals[index] for index in wanted if index < len(totals)}


def _at_strides(settings: Settings, card: Card, asked: Mapping[int, int] | None) -> TimmNetwork:
    backbone, options = settings.get(BACKBONE), dict(card.options or {})
    where = f"{BACKBONE}.options"
    arguments = _checked(backbone)
    if asked is None:  # the config has a network of timm already: keep its stride
        stated = backbone.get("options") or {}
        kept = {name: stated[name] for name in TASK_OPTIONS if name in stated}
        return network_on_meta(card.variant, options | kept, where, **arguments)
    network = network_on_meta(card.variant, options, where, **arguments)
    if _strides(network, asked) == asked:
        return network
    try:
        dilated = options | {"output_stride": max(asked.values())}
        other = network_on_meta(card.variant, dilated, where, **arguments)
        if _strides(other, asked) == asked:
            return other
    except UserError:
        pass  # not every network can be dilated
    _report_strides(settings, card, _strides(network, asked), asked)
    return network


def _strides(network: TimmNetwork, asked: Mapping[int, int]) -> dict[int, int]:
    return {index: network.strides[index] for index in asked}


def _report_strides(
    settings: Settings, card: Card, strides: Mapping[int, int], asked: Mapping[int, int]
) -> None:
    has, wanted = (", ".join(map(str, each.values())) for each in (strides, asked))
    what = f"the maps of {card.title} have strides {has}, the config asks for {wanted}"
    if settings.get("model.decode_head") is None:  # anchors and regions depend on the strides
        mend = "use a config for these strides, or the file of a ResNet"
        raise UserError(what, f"{BACKBONE}.strides", mend)
    settings.lines.append(f"{BACKBONE}: {what}; the heads work with these, too")
