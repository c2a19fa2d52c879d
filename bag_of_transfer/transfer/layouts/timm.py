"""timm's ResNets.

Source: ``timm/models/resnet.py`` and the state dicts of timm 1.0.
"""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from backbones import blocks
from backbones.undrawn import WithoutDrawing
from bag_of_transfer.transfer.layouts.layout import Fields, Layout, Target, computes_b
from bag_of_transfer.transfer.layouts.renaming import rename_all

__all__ = ["TIMM", "installed_timm", "timm_name"]

STEM_CHANNELS = 64  # of every network with a 7x7 stem
# The end of timm's names, after the depth, by our variant and the stem's number of channels.
SUFFIX = {
    ("B", STEM_CHANNELS): "",
    ("C", STEM_CHANNELS): "c",
    ("C", 128): "s",
    ("D", STEM_CHANNELS): "d",
}


def installed_timm() -> Any:
    """Return the package timm; None if it is not installed."""
    try:
        return import_module("timm")
    except ImportError:
        return None


def _to_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if "conv1.weight" in tensors:  # a 7x7 stem, which has the same names in our layout
        return dict(tensors)
    return rename_all(
        tensors, lambda name: re.sub(r"^conv1\.", "stem.", re.sub(r"^bn1\.", "stem.7.", name))
    )


def _from_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return rename_all(
        tensors, lambda name: re.sub(r"^stem\.", "conv1.", re.sub(r"^stem\.7\.", "bn1.", name))
    )


def _has_deep_stem(fields: Fields) -> bool:
    return fields["variant"] in "CD"


def _expresses(fields: Fields) -> bool:
    plain = computes_b(fields) and fields["stem_channels"] == STEM_CHANNELS
    return plain or _has_deep_stem(fields)


def _network_like(fields: Fields) -> nn.Module | None:
    if installed_timm() is None or not _expresses(fields):
        return None
    resnet = import_module("timm.models.resnet")
    block, per_stage = blocks.DEPTHS[fields["depth"]]
    with WithoutDrawing():
        network: nn.Module = resnet.ResNet(
            resnet.Bottleneck if block is blocks.Bottleneck else resnet.BasicBlock,
            per_stage,
            num_classes=0,
            in_chans=fields["in_channels"],
            stem_width=fields["stem_channels"] // 2,
            stem_type="deep" if _has_deep_stem(fields) else "",
            avg_down=fields["variant"] == "D",
            channels=tuple(fields["base_channels"] * 2**stage for stage in range(4)),
            device=torch.device("cpu"),
        )
    return network


def timm_name(fields: Fields) -> str:
    """Return the timm model that is built like a card's network, ``"resnet50d"``; empty if none."""
    letter = "B" if computes_b(fields) else fields["variant"]
    suffix = SUFFIX.get((letter, fields["stem_channels"]))
    name = f"resnet{fields['depth']}{suffix}"
    timm = installed_timm()
    is_known = timm is not None and timm.is_model(name)
    return name if is_known and suffix is not None and fields["base_channels"] == 64 else ""


def _how_to_load(fields: Fields) -> str:
    name = timm_name(fields)
    more = "" if fields["in_channels"] == 3 else f", in_chans={fields['in_channels']}"
    call = f"timm.create_model('{name}', num_classes=0{more})"
    network = call if name else "timm's class ResNet"
    return f"{network}, strictly"


TIMM = Layout(
    name="timm",
    library="timm",
    signature=r"^conv1\.\d\.",
    differs="conv1.0, conv1.3, conv1.6 and bn1 for the stem",
    to_ours=_to_ours,
    network_like=_network_like,
    target=Target(
        _from_ours,
        _expresses,
        f"timm has ResNet-B with stem {STEM_CHANNELS}, ResNet-C and ResNet-D",
        _how_to_load,
    ),
)
