"""Faster R-CNN, ResNet-50-D, stage 4 on each region (C4), Pascal VOC 2007 + 2012.

Paper:     arXiv:1812.01187, table 8 (mAP 77.54 to 81.33)
Data:      DATA_ROOT/voc/VOCdevkit/{VOC2007,VOC2012}
Command:   python tools/train.py configs/detection/faster-rcnn_c4_voc.py --backbone FILE
Needs:     1 GPU with 24 GB or more (an estimate); time unmeasured
Result:    unmeasured

The values are those of GluonCV, the paper's own code, for faster_rcnn_resnet50_v1b_voc (78.3).  It
trains on all of both trainvals (--cfg-options train_dataloader.dataset.datasets.0.hold_out=0) and
reports the best epoch on the test split, which we don't.
"""

_base_ = [
    "_base_/models/faster-rcnn_c4.py",
    "_base_/datasets/voc0712.py",
    "_base_/schedules/1x.py",
    "../_base_/default_runtime.py",
]
# The rows of the paper's table share this config; each takes the backbone of another leaf of
# configs/classification/.
rows = [
    dict(
        table="T8",
        row="B-standard",
        published=dict(mAP_voc07=77.54),
        backbone="resnet50-b_baseline_8xb32_in1k",
        compare_to=None,
    ),
    dict(
        table="T8",
        row="D-efficient",
        published=dict(mAP_voc07=78.3),
        backbone="resnet50-d_efficient_8xb128_in1k",
        compare_to="resnet50-b_baseline_8xb32_in1k",
    ),
    dict(
        table="T8",
        row="+ cosine",
        published=dict(mAP_voc07=79.23),
        backbone="resnet50-d_cosine_8xb128_in1k",
        compare_to="resnet50-d_efficient_8xb128_in1k",
    ),
    dict(
        table="T8",
        row="+ smooth",
        published=dict(mAP_voc07=80.71),
        backbone="resnet50-d_cosine-lbs_8xb128_in1k",
        compare_to="resnet50-d_cosine_8xb128_in1k",
    ),
    dict(
        table="T8",
        row="+ distill w/o mixup",
        published=dict(mAP_voc07=80.96),
        backbone="resnet50-d_cosine-lbs-distill_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs_8xb128_in1k",
    ),
    dict(
        table="T8",
        row="+ mixup w/o distill",
        published=dict(mAP_voc07=81.1),
        backbone="resnet50-d_cosine-lbs-mixup-200e_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs_8xb128_in1k",
    ),
    dict(
        table="T8",
        row="+ distill w/ mixup",
        published=dict(mAP_voc07=81.33),
        backbone="resnet50-d_cosine-lbs-distill-mixup-200e_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs-distill_8xb128_in1k",
    ),
]
model = dict(
    rpn_head=dict(loss_bbox=dict(type="SmoothL1Loss", beta=1 / 9)),
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=dict(sampling_ratio=2)),
        bbox_head=dict(loss_bbox=dict(type="SmoothL1Loss", beta=1.0)),
    ),
    train_cfg=dict(rpn_proposal=dict(min_bbox_size=16), rcnn=dict(sampler=dict(num=128))),
    test_cfg=dict(
        rpn=dict(max_per_img=300, min_bbox_size=16),
        # -1: as many boxes per image as there are.
        rcnn=dict(score_thr=1e-4, nms=dict(iou_threshold=0.3), max_per_img=-1),
    ),
)
train_dataloader = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=0.001, weight_decay=5e-4))
auto_scale_lr = dict(base_batch_size=4)
train_cfg = dict(max_epochs=20)
param_scheduler = [dict(type="MultiStepLR", milestones=[14], gamma=0.1)]
