"""Backbone files of every kind, each with the network that it was made from."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from backbones.undrawn import WithoutDrawing
from bag_of_transfer.transfer.convert.feature_check import fill
from bag_of_transfer.transfer.convert.into_ours import convert_weights
from bag_of_transfer.transfer.export import export_backbone
from tests.transfer.foreign_names import detectron2_name, state

VARIANTS = ("ResNetA", "ResNetB", "ResNetC", "ResNetD")
RESNETS = tuple(f"{kind}-{depth}" for kind in VARIANTS for depth in (18, 34, 50, 101, 152))
TIMM = {"mobilenetv1_100": {"act_layer": "relu"}, "inception_v3": {}}  # the paper's two
CAFFE = "caffe-50"
FILES = (*RESNETS, CAFFE, *TIMM)
RGB = ([123.68, 116.779, 103.939], [58.393, 57.12, 57.375])  # arXiv:1812.01187, sec. 2.1
BGR = ([103.53, 116.28, 123.675], [1.0, 1.0, 1.0])  # detectron2/config/defaults.py


@dataclass(frozen=True)
class Pretrained:
    """A backbone file, and the network as pretraining left it."""

    path: Path
    network: nn.Module
    mean: list[float]
    std: list[float]
    order: str

    def maps_of(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Return four maps of an RGB picture, 3 H W, uint8, normalised without the card."""
        pixels = picture.float() if self.order == "RGB" else picture.float().flip(0)
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.mean, self.std))
        with torch.no_grad():
            return tuple(self.network.eval()(((pixels - mean) / std)[None]))


def undrawn(settings: dict[str, Any]) -> nn.Module:
    """Build a network with undefined weights, without the time of drawing them."""
    with WithoutDrawing():
        return MODELS.build(settings)


@cache
def pretrained(name: str, folder: Path) -> Pretrained:
    """Write the file ``name`` of ``FILES`` once for all tests; ResNets are 8 channels wide."""
    path, is_caffe = folder / f"{name}.safetensors", name == CAFFE
    settings = _settings("ResNetA-50" if is_caffe else name)
    network = undrawn(settings)
    network.load_state_dict(fill(network.state_dict(), seed=FILES.index(name)))
    mean, std = BGR if is_caffe else RGB
    if is_caffe:
        tensors = {detectron2_name(key): tensor for key, tensor in state(network).items()}
        torch.save({"model": tensors}, folder / "caffe.pth")
        convert_weights(str(folder / "caffe.pth"), path)
    else:
        export_backbone(_checkpoint(network, settings, folder / f"{name}.pth"), path)
    return Pretrained(path, network, mean, std, "BGR" if is_caffe else "RGB")


def _settings(name: str) -> dict[str, Any]:
    if name in TIMM:
        return {"type": "TimmNetwork", "name": name, "options": TIMM[name]}
    kind, depth = name.split("-")
    return {"type": kind, "depth": int(depth), "stem_channels": 8, "base_channels": 8}


def _checkpoint(network: nn.Module, settings: dict[str, Any], path: Path) -> Path:
    """Write the checkpoint of a trained classifier."""
    images = {"type": "ClassificationPreprocessor", "mean": RGB[0], "std": RGB[1]}
    model = {"type": "ImageClassifier", "backbone": settings, "data_preprocessor": images}
    tensors = {f"backbone.{key}": tensor for key, tensor in network.state_dict().items()}
    torch.save({"meta": {"epoch": 1, "model_json": json.dumps(model)}, "state_dict": tensors}, path)
    return path
