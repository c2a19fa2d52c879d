"""A network that does not fit together is told before training, by the name of its layer."""

import copy
from typing import Any

import pytest
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

import bag_of_transfer.detection.shared_head  # noqa: F401  before mmdet
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.config.fit_check import check_fit, network_of_shapes

BACKBONE = dict(type="ResNetD", depth=18, stem_channels=8, base_channels=8)  # 8, 16, 32, 64
NECK = dict(type="FPN", in_channels=[8, 16, 32, 64], out_channels=16, num_outs=5)
RETINA = dict(
    type="RetinaNet",
    backbone=BACKBONE,
    neck=NECK,
    bbox_head=dict(type="RetinaHead", num_classes=3, in_channels=16, feat_channels=16),
)
FCN = dict(in_channels=64, in_index=3, channels=8, num_classes=3, norm_cfg=dict(type="BN"))
SEGMENTER = dict(
    type="EncoderDecoder",
    backbone=BACKBONE,
    decode_head=dict(type="DepthwiseSeparableASPPHead", c1_in_channels=8, c1_channels=4, **FCN),
    auxiliary_head=dict(type="FCNHead", **{**FCN, "in_channels": 32, "in_index": 2}),
)
C4 = dict(
    type="FasterRCNN",
    train_cfg=None,
    test_cfg=dict(rpn={}, rcnn={}),
    backbone=dict(BACKBONE, num_stages=3, out_indices=(2,)),
    rpn_head=dict(type="RPNHead", in_channels=32, feat_channels=8),
    roi_head=dict(
        type="StandardRoIHead",
        shared_head=dict(type="ResNetStage4", variant="ResNetD", depth=18, base_channels=8),
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=0),
            out_channels=32,
            featmap_strides=[16],
        ),
        bbox_head=dict(
            type="BBoxHead", with_avg_pool=True, roi_feat_size=7, in_channels=64, num_classes=3
        ),
    ),
)


def check(scope: str, model: dict[str, Any], **changed: Any) -> ConfigDict:
    cfg = ConfigDict(copy.deepcopy(model))
    for dotted, value in changed.items():
        *path, key = dotted.split("__")
        node = cfg
        for name in path:
            node = node[name]
        node[key] = value
    before = copy.deepcopy(cfg)
    with DefaultScope.overwrite_default_scope(scope):
        try:
            check_fit(cfg)
        finally:
            assert cfg == before
    return cfg


@pytest.mark.parametrize(
    ("scope", "model"), [("mmdet", RETINA), ("mmdet", C4), ("mmseg", SEGMENTER)]
)
def test_what_fits_passes(scope: str, model: dict[str, Any]) -> None:
    cfg = check(scope, model)
    with DefaultScope.overwrite_default_scope(scope):
        network_of_shapes(cfg)  # it was really tried


@pytest.mark.parametrize(
    ("scope", "model", "key", "value", "where"),
    [
        ("mmdet", RETINA, "neck__in_channels", [8, 16, 32, 48], "model.neck.lateral_convs.3.conv"),
        ("mmdet", RETINA, "bbox_head__in_channels", 8, "model.bbox_head.cls_convs.0.conv"),
        ("mmdet", C4, "rpn_head__in_channels", 16, "model.rpn_head.rpn_conv"),
        ("mmdet", C4, "roi_head__bbox_head__in_channels", 32, "model.roi_head.bbox_head.fc_cls"),
        ("mmseg", SEGMENTER, "decode_head__in_channels", 8, "model.decode_head.image_pool.1.conv"),
        (
            *("mmseg", SEGMENTER, "decode_head__c1_in_channels", 16),
            "model.decode_head.c1_bottleneck.conv",
        ),
        ("mmseg", SEGMENTER, "auxiliary_head__in_index", 1, "model.auxiliary_head.convs.0.conv"),
    ],
)
def test_what_does_not_fit_is_named(
    scope: str, model: dict[str, Any], key: str, value: Any, where: str
) -> None:
    with pytest.raises(UserError, match=r"the layer takes \d+ channels and gets \d+") as caught:
        check(scope, model, **{key: value})
    assert caught.value.where == where


def test_an_operator_that_is_missing_is_told_before_training() -> None:
    with pytest.raises(UserError, match="mmcv operator 'carafe_forward' is missing"):
        check("mmdet", RETINA, neck=dict(NECK, type="FPN_CARAFE"))


def test_what_cannot_be_tried_without_numbers_is_left_to_the_run() -> None:
    check("mmdet", RETINA, bbox_head__type="NoSuchHead")


def test_a_teachers_file_is_not_read_for_the_trial() -> None:
    lad = dict(RETINA, type="LAD", teacher_ckpt="https://nowhere.invalid/teacher.pth")
    lad["teacher_backbone"], lad["teacher_neck"] = BACKBONE, NECK
    lad["teacher_bbox_head"] = lad["bbox_head"]
    cfg = check("mmdet", lad)
    assert cfg.teacher_ckpt
    with DefaultScope.overwrite_default_scope("mmdet"):
        network = network_of_shapes(cfg)
    assert all(tensor.is_meta for tensor in network.parameters())
