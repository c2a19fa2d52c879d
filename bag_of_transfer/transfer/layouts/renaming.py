"""From other libraries' names for the tensors of a ResNet to ours (mmdet's ResNetV1d), and back.

Source: the state dicts of timm 1.0, torchvision and mmdet 3.x; for mmpretrain 1.x
``mmpretrain/models/backbones/resnet.py``; for GluonCV ``gluoncv/model_zoo/resnetv1b.py``; for
detectron2 ``detectron2/checkpoint/c2_model_loading.py``, which also tells Detectron's blob names.
"""

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

__all__ = ["FROM_OURS", "TO_OURS", "Shape", "is_pooled", "rename_all", "timm_names_of_gluon"]

Shape = tuple[int, ...]
# FrozenBatchNorm2d of detectron2 adds eps to the variance: with 1 - eps it is scale and shift.
BN_EPS = 1e-5


def is_pooled(shapes: Mapping[str, Shape]) -> bool:
    """Return whether shortcuts are ResNet-D's: 0 is the pool, 1 the convolution, 2 the norm."""
    return any(name.endswith("downsample.1.weight") and len(shapes[name]) == 4 for name in shapes)


def _is_d(tensors: Mapping[str, Tensor]) -> bool:
    return is_pooled({name: tensor.shape for name, tensor in tensors.items()})


def rename_all(tensors: Mapping[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    """Rename every tensor; two never become one.

    Raises:
        ValueError: If two tensors would have one name.
    """
    renamed = {rename(name): tensor for name, tensor in tensors.items()}
    if len(renamed) != len(tensors):
        raise ValueError("two tensors would have one name")
    return renamed


# ---- to ours ----


def _same(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return dict(tensors)


def _from_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if "conv1.weight" in tensors:  # a 7x7 stem is called the same
        return dict(tensors)
    return rename_all(
        tensors, lambda name: re.sub(r"^conv1\.", "stem.", re.sub(r"^bn1\.", "stem.7.", name))
    )


def timm_names_of_gluon(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name a batch norm's gamma and beta as torch does: the rest is named as in timm."""

    def rename(name: str) -> str:
        return re.sub(r"\.beta$", ".bias", re.sub(r"\.gamma$", ".weight", name))

    return rename_all(tensors, rename)


def _from_gluon(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _from_timm(timm_names_of_gluon(tensors))


def _from_mmpretrain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # There a shortcut has no pool where its stride is 1: in layer1, and in dilated stages.
    pooled = _is_d(tensors)
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


# In this order.  The first eight lines turn Detectron's blob names into detectron2's.
CAFFE = (
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


def _caffe_name(name: str) -> str:
    for pattern, replacement in CAFFE:
        name = re.sub(pattern, replacement, name)
    return name


def _from_caffe(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = rename_all(tensors, _caffe_name)
    if any(name.endswith("running_var") for name in renamed):
        return renamed
    # Detectron merged the statistics into scale and shift.
    for name, scale in list(renamed.items()):
        norm = re.match(r"(.*bn\d|.*downsample\.1)\.weight$", name)
        if norm:
            renamed[f"{norm[1]}.running_mean"] = torch.zeros_like(scale)
            renamed[f"{norm[1]}.running_var"] = torch.full_like(scale, 1 - BN_EPS)
    return renamed


TO_OURS: dict[str, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = {
    "timm": _from_timm,
    "torchvision": _same,
    "mmpretrain": _from_mmpretrain,
    "mmdet": _same,
    "gluon": _from_gluon,
    "caffe": _from_caffe,
}


# ---- from ours ----


def _to_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return rename_all(
        tensors, lambda name: re.sub(r"^stem\.", "conv1.", re.sub(r"^stem\.7\.", "bn1.", name))
    )


def _to_mmpretrain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    pooled = _is_d(tensors)

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


FROM_OURS: dict[str, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = {
    "timm": _to_timm,
    "mmpretrain": _to_mmpretrain,
    "torchvision": _same,
}
