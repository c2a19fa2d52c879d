"""Overrides of configs that ship with mmdet and mmseg: their classes say what is legal."""

import importlib
import re
from pathlib import Path

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.config.overrides import apply_overrides
from bag_of_transfer.engine.errors import UserError

UPSTREAM = {
    "mmdet": "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "mmseg": "fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py",
}


def upstream_config(package: str) -> Config:
    """Read a config that ships with mmdet or mmseg."""
    importlib.import_module("bag_of_transfer.detection")  # stands in for mmcv's compiled ops
    folder = Path(importlib.import_module(package).__file__ or "").parent
    return Config.fromfile(folder / ".mim" / "configs" / UPSTREAM[package])


@pytest.mark.parametrize(
    ("package", "option"),
    [
        ("mmdet", "model.backbone.with_cp=True"),
        ("mmdet", "model.backbone.norm_cfg.momentum=0.05"),
        ("mmdet", "model.rpn_head.num_convs=2"),
        ("mmdet", "model.train_cfg.rcnn.assigner.gpu_assign_thr=100"),
        ("mmdet", "train_dataloader.dataset.indices=10"),
        ("mmdet", "train_dataloader.dataset.pipeline.2.clip_object_border=False"),
        ("mmdet", "val_evaluator.classwise=True"),
        ("mmseg", "model.decode_head.loss_decode.avg_non_ignore=True"),
        ("mmseg", "model.auxiliary_head.sampler.type=OHEMPixelSampler"),
        ("mmseg", "train_dataloader.dataset.reduce_zero_label=True"),
    ],
)
def test_parameters_of_upstream_classes_are_known(package: str, option: str) -> None:
    assert apply_overrides(upstream_config(package), [option]) == {option.partition("=")[0]}


@pytest.mark.parametrize(
    ("package", "option", "meant"),
    [
        ("mmdet", "modle.backbone.depth=18", "model.backbone.depth"),
        ("mmdet", "model.backbone.withcp=True", "model.backbone.with_cp"),
        ("mmdet", "model.test_cfg.rcnn.max_per_image=9", "model.test_cfg.rcnn.max_per_img"),
        ("mmdet", "val_evaluator.clas_wise=True", "val_evaluator.classwise"),
        ("mmseg", "model.decode_head.ignore_idx=0", "model.decode_head.ignore_index"),
    ],
)
def test_typo_in_an_upstream_config_is_refused(package: str, option: str, meant: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"did you mean `{meant}`?")):
        apply_overrides(upstream_config(package), [option])
