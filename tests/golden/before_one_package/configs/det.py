"""A detector of two classes, small enough to be kept; names the modules that it needs."""

_base_ = "../../../../configs/detection/faster-rcnn_fpn_tiny.py"
custom_imports = dict(
    imports=[
        "backbones",
        "detection.datasets",
        "detection.metrics",
        "detection.roi_extractor",
        "engine.image_reader",
        "engine.schedules",
    ]
)

model = dict(
    backbone=dict(stem_channels=4, base_channels=2),
    neck=dict(in_channels=[4, 8, 16], out_channels=4),
    rpn_head=dict(in_channels=4, feat_channels=4),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=4), bbox_head=dict(in_channels=4, fc_out_channels=8)
    ),
    test_cfg=dict(rcnn=dict(score_thr=0.0, max_per_img=5)),
)
image_scale = (64, 64)
train_pipeline = [
    dict(type="ReadImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(indices=4, pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(indices=2))
test_dataloader = dict(dataset=dict(indices=2))
optim_wrapper = dict(optimizer=dict(lr=0.08))
train_cfg = dict(max_epochs=40, val_interval=40)
default_hooks = dict(checkpoint=dict(interval=40, max_keep_ckpts=1, save_optimizer=False))
