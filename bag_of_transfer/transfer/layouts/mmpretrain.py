"""OpenMMLab's ResNets: mmpretrain's, and those of mmdet and mmsegmentation, whose names are ours.

Source: ``mmpretrain/models/backbones/resnet.py`` in mmpretrain 1.x; the state dicts of mmdet 3.x.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from backbones.blocks import VARIANTS
from bag_of_transfer.transfer.layouts.layout import Fields, Layout, Refusal, Target
from bag_of_transfer.transfer.layouts.renaming import has_pooled_shortcuts, rename_all

__all__ = ["MMDET", "MMPRETRAIN"]

DEPTHS = (18, 34, 50, 101, 152)
# The class, and further arguments as text, by our variant.
CLASSES = {
    "A": ("ResNet", ", style='caffe'"),
    "B": ("ResNet", ""),
    "C": ("ResNetV1c", ""),
    "D": ("ResNetV1d", ""),
}


def _to_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # In mmpretrain a shortcut of stride 1 has no pool: in layer1, and in dilated stages.
    pooled = has_pooled_shortcuts(tensors)
    unpooled = {
        name.removesuffix("0.weight")
        for name in tensors
        if pooled and name.endswith("downsample.0.weight")
    }

    def rename(name: str) -> str:
        stem = re.match(r"stem\.(\d)\.(conv|bn)\.(.*)", name)
        if stem:
            return f"stem.{3 * int(stem[1]) + (stem[2] == 'bn')}.{stem[3]}"
        shortcut = re.match(r"(.*\.downsample\.)(\d)\.(.*)", name)
        if shortcut and shortcut[1] in unpooled:
            return f"{shortcut[1]}{int(shortcut[2]) + 1}.{shortcut[3]}"
        return name

    return rename_all(tensors, rename)


def _from_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    pooled = has_pooled_shortcuts(tensors)

    def rename(name: str) -> str:
        stem = re.match(r"stem\.(\d)\.(.*)", name)
        if stem:
            layer, is_norm = divmod(int(stem[1]), 3)
            return f"stem.{layer}.{'bn' if is_norm else 'conv'}.{stem[2]}"
        shortcut = re.match(r"(layer1\.0\.downsample)\.(\d)\.(.*)", name)
        if shortcut and pooled:
            return f"{shortcut[1]}.{int(shortcut[2]) - 1}.{shortcut[3]}"
        return name

    return rename_all(tensors, rename)


def _how_to_load(fields: Fields) -> str:
    kind, more = CLASSES[VARIANTS[fields["type"]].letter]
    names = ("in_channels", "stem_channels", "base_channels")
    widths = "".join(f", {n}={fields[n]}" for n in names if (n, fields[n]) != ("in_channels", 3))
    return f"mmpretrain.models.{kind}(depth={fields['depth']}{widths}{more}), strictly"


MMPRETRAIN = Layout(
    name="mmpretrain",
    library="mmpretrain",
    signature=r"^stem\.\d\.(conv|bn)\.",
    differs="stem.0.conv for stem.0, another layer1 shortcut",
    to_ours=_to_ours,
    classifier=r"head\.(fc|layers\.\w+)\.",
    head="head.fc.weight",
    target=Target(
        _from_ours,
        lambda fields: fields["depth"] in DEPTHS,
        f"mmpretrain has the depths {', '.join(map(str, DEPTHS))}",
        _how_to_load,
    ),
)
MMDET = Layout(
    name="mmdet",
    library="mmdet",
    signature=r"^(stem|layer\d)\.|^conv1\.weight$",
    differs="",
    classifier="",
    unclear=Refusal(
        "the names do not show whether this is style 'pytorch' (RGB) or 'caffe' (BGR, std 1)",
        "give --layout mmdet for pytorch, or --layout caffe",
    ),
)
