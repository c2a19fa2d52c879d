"""COCO 2017: train on 23 of 24 training images, validate on the 24th, test on val2017.

The labels of COCO's test split are not public, so val2017 is the test split here, and the
validation split comes from train2017 (4,928 of 118,287 images).
"""

data_root = "{{$DATA_ROOT:data}}/coco/"
image_scale = (1333, 800)  # largest long and short side in pixels

train_pipeline = [
    dict(type="ReadImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="ReadImage"),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),  # after Resize: boxes keep the annotated size
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
flipped_keys = (
    *("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    *("flip", "flip_direction"),
)
tta_pipeline = [
    dict(type="ReadImage"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="Resize", scale=image_scale, keep_ratio=True)],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="LoadAnnotations", with_bbox=True)],
            [dict(type="PackDetInputs", meta_keys=flipped_keys)],
        ],
    ),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    batch_sampler=dict(type="AspectRatioBatchSampler"),
    dataset=dict(
        type="CocoFormat",
        data_root=data_root,
        ann_file="annotations/instances_train2017.json",
        data_prefix=dict(img="train2017/"),
        hold_out=24,
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CocoFormat",
        data_root=data_root,
        ann_file="annotations/instances_train2017.json",
        data_prefix=dict(img="train2017/"),
        hold_out=24,
        held_out=True,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CocoFormat",
        data_root=data_root,
        ann_file="annotations/instances_val2017.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type="CocoBoxMetric")
test_evaluator = dict(type="CocoBoxMetric")
