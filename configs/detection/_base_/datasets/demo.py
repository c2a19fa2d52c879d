"""The drawn images of ``python tools/prepare_data.py demo``: VOC layout, PNG, 128 px."""

data_root = "{{$DATA_ROOT:data}}/demo/detection/"
image_scale = (128, 128)  # largest long and short side in pixels

train_pipeline = [
    dict(type="ReadImage", keep_mb=64),
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
    batch_size=16,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="VocFormat",
        data_root=data_root,
        ann_file="ImageSets/Main/train.txt",
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="VocFormat",
        data_root=data_root,
        ann_file="ImageSets/Main/val.txt",
        classes_from="ImageSets/Main/train.txt",
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="VocFormat",
        data_root=data_root,
        ann_file="ImageSets/Main/test.txt",
        classes_from="ImageSets/Main/train.txt",
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type="VocMetric")
test_evaluator = dict(type="VocMetric")
