"""The ResNets of Detectron, trained in Caffe, and of its successor detectron2.

Source: ``detectron2/checkpoint/c2_model_loading.py``, which also has Detectron's blob names;
images from ``detectron2/config/defaults.py``.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from bag_of_transfer.transfer.layouts.layout import Images, Layout
from bag_of_transfer.transfer.layouts.renaming import rename_all

__all__ = ["CAFFE"]

# FrozenBatchNorm2d of detectron2 adds eps to the variance: with 1 - eps it only scales and shifts.
BN_EPS = 1e-5
# Applied in this order.  The first eight turn Detectron's blob names into detectron2's names.
SUBSTITUTIONS = (
    (r"^conv1_", "stem.conv1."),
    (r"^res_conv1_bn_", "stem.conv1.norm."),
    (r"^(res\d)_(\d+)_branch1_bn_", r"\1.\2.shortcut.norm."),
    (r"^(res\d)_(\d+)_branch1_", r"\1.\2.shortcut."),
    (r"^(res\d)_(\d+)_branch2([abc])_", r"\1.\2.conv\3."),
    (r"\.bn_", ".norm."),
    (r"(^(stem|res\d)\..*)\.(w|s)$", r"\1.weight"),
    (r"(^(stem|res\d)\..*)\.b$", r"\1.bias"),
    (r"^(res\d\.\d+)\.conv(a|b|c)", lambda m: f"{m[1]}.conv{'abc'.index(m[2]) + 1}"),
    (r"^stem\.conv1\.norm\.", "bn1."),
    (r"^stem\.conv1\.", "conv1."),
    (r"^res(\d)\.", lambda m: f"layer{int(m[1]) - 1}."),
    (r"\.conv(\d)\.norm\.", r".bn\1."),
    (r"\.shortcut\.norm\.", ".downsample.1."),
    (r"\.shortcut\.", ".downsample.0."),
)


def _our_name(name: str) -> str:
    for pattern, replacement in SUBSTITUTIONS:
        name = re.sub(pattern, replacement, name)
    return name


def _to_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = rename_all(tensors, _our_name)
    if any(name.endswith("running_var") for name in renamed):
        return renamed
    # Detectron merged the statistics into scale and shift.
    for name, scale in list(renamed.items()):
        norm = re.match(r"(.*bn\d|.*downsample\.1)\.weight$", name)
        if norm:
            renamed[f"{norm[1]}.running_mean"] = torch.zeros_like(scale)
            renamed[f"{norm[1]}.running_var"] = torch.full_like(scale, 1 - BN_EPS)
    return renamed


CAFFE = Layout(
    name="caffe",
    library="detectron2",
    signature=r"^res2[._a]|\.norm\.weight$",
    differs="res2 to res5 for layer1 to layer4",
    to_ours=_to_ours,
    first_block="res2.0.conv1.weight",
    network=r"(stem|conv1|bn1|layer\d+|res\d|res_conv1)[._]",
    classifier=r"(stem\.)?(fc|linear)\.|(fc1000|pred)_",
    extra=r".*_momentum|conv1_b|stem\.conv1\.bias|lr|weight_order",
    images=Images((103.53, 116.28, 123.675), (1.0, 1.0, 1.0), "BGR"),
    plain_variant="A",
)
