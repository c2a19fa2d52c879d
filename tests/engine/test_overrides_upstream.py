"""Overrides of configs that ship with mmdet and mmseg: their classes say what is legal."""

import copy
import importlib
import re
from pathlib import Path

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.config.former_keys import REST, TODAY
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
        ("mmdet", "optim_wrapper.clip_grad.clip_value=1"),
        ("mmdet", "train_dataloader.dataset.filter_cfg.bbox_min_size=16"),
        ("mmdet", "model.test_cfg.rcnn.nms.min_score=0.05"),
        ("mmdet", "model.train_cfg.rpn_proposal.nms.max_num=5"),
        ("mmseg", "model.test_cfg.crop_size=(64,64)"),
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
        ("mmseg", "model.test_cfg.strde=64", "model.test_cfg.stride"),
        (
            *("mmdet", "train_dataloader.dataset.filter_cfg.min_sise=16"),
            "train_dataloader.dataset.filter_cfg.min_size",
        ),
        ("mmdet", "model.test_cfg.rcnn.nms.min_scor=1", "model.test_cfg.rcnn.nms.min_score"),
    ],
)
def test_typo_in_an_upstream_config_is_refused(package: str, option: str, meant: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"did you mean `{meant}`?")):
        apply_overrides(upstream_config(package), [option])


@pytest.mark.parametrize(
    ("option", "now"),
    [
        ("runner.max_epochs=3", "train_cfg.max_epochs"),
        ("total_epochs=3", "train_cfg.max_epochs"),
        ("data.samples_per_gpu=2", "train_dataloader.batch_size"),
        ("data.train.ann_file=a.json", "train_dataloader.dataset.ann_file"),
        ("optimizer.lr=0.01", "optim_wrapper.optimizer.lr"),
        ("lr_config.step=[8,11]", "param_scheduler"),
        ("evaluation.interval=2", "train_cfg.val_interval"),
        ("optimizer_config.grad_clip.max_norm=35", "optim_wrapper.clip_grad.max_norm"),
        ("checkpoint_config.interval=2", "default_hooks.checkpoint.interval"),
        ("fp16.loss_scale=512", "--amp"),
    ],
)
def test_a_key_of_2x_is_told_by_its_name_of_today(option: str, now: str) -> None:
    with pytest.raises(
        UserError, match=re.escape(f"exists nowhere: --cfg-options: today it is `{now}`")
    ):
        apply_overrides(upstream_config("mmdet"), [option])


def test_every_name_of_today_is_one() -> None:
    cfg = upstream_config("mmdet")
    keys = [name.removesuffix(REST) for name in TODAY.values() if not name.startswith("--")]
    tops = [key for key in keys if "." not in key]
    assert set(tops) <= set(cfg)
    for key in set(keys) - set(tops):
        apply_overrides(copy.deepcopy(cfg), {key: {} if "fg" in key.rpartition(".")[2] else 1})
