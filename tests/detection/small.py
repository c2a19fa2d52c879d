"""Detection configs that are small enough for a CPU, and objects built from them."""

from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from bag_of_transfer.engine.config.num_classes import fill_num_classes

SPLITS = ("train", "val", "test")


def shrink(cfg: Config) -> None:
    """Make a config run in seconds on a CPU: ResNet-18 of 8 channels, 96 px, few regions."""
    cfg.model.train_cfg.rpn_proposal.max_per_img = cfg.model.test_cfg.rpn.max_per_img = 50
    cfg.model.backbone.update(depth=18, stem_channels=8, base_channels=8)
    if "neck" in cfg.model:
        cfg.model.neck.in_channels = [8 * 2**i for i in cfg.model.backbone.out_indices]
        cfg.model.roi_head.bbox_head.fc_out_channels = 32
    else:
        cfg.model.rpn_head.in_channels = cfg.model.roi_head.bbox_roi_extractor.out_channels = 32
        cfg.model.roi_head.bbox_head.in_channels = 64
        cfg.model.roi_head.shared_head.update(depth=18, base_channels=8)
    for split in SPLITS:
        loader = cfg[f"{split}_dataloader"]
        loader.update(batch_size=2, num_workers=0)
        loader.pop("persistent_workers", None)
        lighten(loader.dataset)


def lighten(node: Any) -> None:
    """Resize to 96 px wherever a pipeline resizes, and leave data sets unserialised.

    Serialising calls the garbage collector, a quarter of a second in a large process.
    """
    if isinstance(node, dict):
        if node.get("type") == "Resize":
            node["scale"] = (96, 96)
        if "ann_file" in node:
            node["serialize_data"] = False
        for child in node.values():
            lighten(child)
    elif isinstance(node, list):
        for child in node:
            lighten(child)


def loader_of(cfg: Config, split: str) -> DataLoader:
    """Return the config's loader of a split."""
    return Runner.build_dataloader(cfg[f"{split}_dataloader"], seed=0)


def build_model(cfg: Config, classes: tuple[str, ...]) -> nn.Module:
    """Return the config's model with initial weights, the same each time."""
    fill_num_classes(cfg, classes)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model


class _Holder:
    """The attributes that Runner.build_optim_wrapper needs."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model


def build_optimizer(cfg: Config, model: nn.Module) -> OptimWrapper:
    """Return the config's optimizer for a model."""
    return Runner.build_optim_wrapper(_Holder(model), cfg.optim_wrapper)
