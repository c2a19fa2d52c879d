"""Faster R-CNN on stage 3 of a ResNet-50-D ("C4"); stage 4 is computed for each region.

GluonCV's values for faster_rcnn_resnet50_v1b_voc (commit 3473b1a2: gluoncv/model_zoo/faster_rcnn,
rcnn and rpn, gluoncv/data/transforms/presets/rcnn.py); tests/detection/test_upstream_recipes.py
lists where mmdet's faster-rcnn_r50-caffe-c4.py differs.  tools/train.py --backbone takes type,
depth and widths of backbone and stage 4, mean, std and the heads' in_channels from the file's card.
"""

default_scope = "mmdet"
custom_imports = dict(
    imports=[
        "backbones",
        "bag_of_transfer.detection.datasets",
        "bag_of_transfer.detection.metrics",
        "bag_of_transfer.detection.roi_extractor",
        "bag_of_transfer.detection.shared_head",
        "bag_of_transfer.engine.schedules",
    ],
    allow_failed_imports=False,
)

model = dict(
    type="FasterRCNN",
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,  # images are decoded as BGR
        pad_size_divisor=1,  # GluonCV does not pad; a pyramid would need 32
    ),
    backbone=dict(
        type="ResNetD",
        depth=50,
        num_stages=3,
        out_indices=(2,),
        frozen_stages=1,
        norm_cfg=dict(type="BN", requires_grad=False),
        norm_eval=True,
    ),
    rpn_head=dict(
        type="RPNHead",
        in_channels=1024,
        feat_channels=1024,
        anchor_generator=dict(
            type="AnchorGenerator",
            scales=[2, 4, 8, 16, 32],
            ratios=[0.5, 1.0, 2.0],
            strides=[16],
            # GluonCV centres anchors in the first cell's 16 pixels, mmdet on its corner.  GluonCV
            # also rounds their sides and makes them a pixel shorter (rpn/anchor.py).
            centers=[(7.5, 7.5)],
        ),
        bbox_coder=dict(
            type="DeltaXYWHBBoxCoder",
            target_means=[0.0, 0.0, 0.0, 0.0],
            target_stds=[1.0, 1.0, 1.0, 1.0],
        ),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
        # MXNet's HuberLoss(rho=1/9) is the smooth L1 of this beta.
        loss_bbox=dict(type="SmoothL1Loss", beta=1 / 9, loss_weight=1.0),
    ),
    roi_head=dict(
        type="StandardRoIHead",
        shared_head=dict(type="ResNetStage4", variant="ResNetD", depth=50, stride=2),
        bbox_roi_extractor=dict(
            type="ExactRoIExtractor",
            # MXNet's ROIAlign at that time does not shift by half a pixel.
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=2, aligned=False),
            out_channels=1024,
            featmap_strides=[16],
        ),
        bbox_head=dict(
            type="BBoxHead",
            with_avg_pool=True,
            in_channels=2048,
            roi_feat_size=7,
            num_classes=None,
            bbox_coder=dict(
                type="DeltaXYWHBBoxCoder",
                target_means=[0.0, 0.0, 0.0, 0.0],
                target_stds=[0.1, 0.1, 0.2, 0.2],
            ),
            reg_class_agnostic=False,
            loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type="SmoothL1Loss", beta=1.0, loss_weight=1.0),  # HuberLoss(rho=1)
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
                ignore_iof_thr=-1,
            ),
            sampler=dict(
                type="RandomSampler",
                num=256,
                pos_fraction=0.5,
                neg_pos_ub=-1,
                add_gt_as_proposals=False,
            ),
            allowed_border=0,  # anchors that leave the image are not used in training
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(
            nms_pre=12000,
            max_per_img=2000,
            nms=dict(type="nms", iou_threshold=0.7),
            min_bbox_size=16,  # in pixels of the resized image
        ),
        rcnn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=-1,
            ),
            sampler=dict(
                type="RandomSampler",
                num=128,
                pos_fraction=0.25,
                neg_pos_ub=-1,
                add_gt_as_proposals=True,
            ),
            pos_weight=-1,
            debug=False,
        ),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_pre=6000,
            max_per_img=300,
            nms=dict(type="nms", iou_threshold=0.7),
            min_bbox_size=16,
        ),
        # GluonCV sets scores up to 0.01 to 0 (nn/coder.py, MultiPerClassDecoder) before NMS drops
        # those below 1e-4.  -1 is no limit on an image's boxes: GluonCV's 400 per class never act
        # on 300 regions, and its post_nms=100 is not used.
        rcnn=dict(score_thr=0.01, nms=dict(type="nms", iou_threshold=0.3), max_per_img=-1),
    ),
)
tta_model = dict(
    type="DetTTAModel",
    # 300 regions x 20 classes in two views, so that this does not limit anything either.
    tta_cfg=dict(nms=dict(type="nms", iou_threshold=0.3), max_per_img=12000),
)
