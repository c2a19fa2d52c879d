"""A backbone file goes into stock configs: whole, or refused with the reason."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bag_of_transfer.engine.errors import UserError
from tests.transfer.stock_walk import BUILT, NEVER, has_resnet, outcome, read_stock, stock_names

Files = Callable[[str], Path]
SAMPLE = {
    "mmdet::atss/atss_r50_fpn_1x_coco.py": BUILT,
    "mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py": BUILT,
    "mmdet::detr/detr_r50_8xb2-150e_coco.py": BUILT,
    "mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py": BUILT,
    "mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py": BUILT,
    "mmdet::gfl/gfl_r50_fpn_1x_coco.py": BUILT,
    "mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py": BUILT,
    "mmdet::yolof/yolof_r50-c5_8xb8-1x_coco.py": BUILT,
    "mmdet::cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py": BUILT,
    "mmdet::point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py": BUILT,
    "mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py": BUILT,
    "mmdet::faster_rcnn/faster-rcnn_r50-caffe-dc5_1x_coco.py": BUILT,
    "mmdet::faster_rcnn/faster-rcnn_r50-caffe-c4_ms-1x_coco.py": BUILT,
    "mmdet::dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py": "does not take dcn",
    "mmdet::gn/mask-rcnn_r50_fpn_gn-all_2x_coco.py": "normalises by GN",
    "mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py": BUILT,
    "mmseg::deeplabv3/deeplabv3_r101-d16-mg124_4xb2-40k_cityscapes-512x1024.py": BUILT,
    "mmseg::fastfcn/fastfcn_r50-d32_jpu_psp_4xb2-80k_cityscapes-512x1024.py": BUILT,
    "mmseg::knet/knet-s3_r50-d8_upernet_8xb2-adamw-80k_ade20k-512x512.py": BUILT,
    "mmseg::mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py": BUILT,
    "mmseg::ocrnet/ocrnet_r101-d8_4xb2-40k_cityscapes-512x1024.py": BUILT,
}


# Heads that take what the others take.
SLOW = "::(gfl|dino|deformable_detr|atss|panoptic_fpn|cascade_rcnn|mask2former|fastfcn|deeplabv3)/"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if re.search(SLOW, name) else [])
        for name in SAMPLE
    ],
)
def test_a_file_goes_into_a_stock_config_or_is_refused(pretrained_file: Files, name: str) -> None:
    assert outcome(read_stock(name), pretrained_file("ResNetD-18")) == SAMPLE[name]


@pytest.mark.parametrize("choice", ["scratch", "caffe-50"])
@pytest.mark.parametrize("name", [next(iter(SAMPLE)), list(SAMPLE)[-1]])
def test_a_random_start_and_a_bgr_file_go_into_them_too(
    pretrained_file: Files, name: str, choice: str
) -> None:
    cfg = read_stock(name)
    assert outcome(cfg, choice if choice == "scratch" else pretrained_file(choice)) == BUILT
    backbone, images = cfg.model.backbone, cfg.model.data_preprocessor
    if choice == "scratch":
        assert (backbone.frozen_stages, backbone.norm_eval) == (-1, False)
        assert images.bgr_to_rgb is True  # the recipe stays
    else:
        assert (backbone.type, images.bgr_to_rgb) == ("ResNetA", False)
        assert images.std == [1.0, 1.0, 1.0]


MOT_YEARS = ("mot15", "mot16", "mot17", "mot20")
LD_STUDENTS = ("r18-gflv1-r101", "r34-gflv1-r101", "r50-gflv1-r101")
# Of onedl-mmdetection 3.5.1 and onedl-mmsegmentation 1.4.2; also in docs/stock_configs.md.
MMDET = {
    BUILT: 343,
    "mmcv operator 'deform_conv_forward'": 32,
    "does not take dcn": 21,
    "does not take plugins": 14,
    NEVER: 10,
    "normalises by GN": 8,
    "does not take conv_cfg": 6,
    "mmcv operator 'modulated_deform_conv_forward'": 5,
    "mmcv operator 'carafe_forward'": 2,
}
MMSEG = {BUILT: 413, "mmcv operator 'psamask_forward'": 16}
# They want mmpretrain, a teacher's config beside mmdet, fairscale, or an argument that they lack.
NEVER_BUILT = {
    *(f"reid/reid_r50_8xb32-6e_{year}train80_test-{year}val20" for year in MOT_YEARS),
    *(f"ld/ld_{student}_fpn_1x_coco" for student in LD_STUDENTS),
    "ld/ld_r101-gflv1-r101-dcn_fpn_2x_coco",
    "grounding_dino/grounding_dino_r50_scratch_8xb2_1x_coco",
    "cascade_rpn/cascade-rpn_r50-caffe_fpn_1x_coco",
}


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="SyncBN stays SyncBN on a GPU")
@pytest.mark.parametrize(("library", "counts"), [("mmdet", MMDET), ("mmseg", MMSEG)])
def test_every_stock_resnet_takes_the_file_or_is_refused_with_a_reason(
    pretrained_file: Files, library: str, counts: dict[str, int]
) -> None:
    path, known = pretrained_file("ResNetD-18"), {}
    outcomes = {}
    for name in stock_names(library):
        try:
            cfg = read_stock(name)
        except UserError:  # a base that was not installed
            continue
        if has_resnet(cfg):
            outcomes[name] = outcome(cfg, path, known)
    never = {name for name, result in outcomes.items() if result == NEVER}
    assert never == {f"mmdet::{name}.py" for name in NEVER_BUILT if library == "mmdet"}
    assert Counter(outcomes.values()) == counts
