"""Pascal VOC 2007 and 2012, split as published: train on both trainvals, evaluate on VOC 2007 test.

All 16,551 images are used for training, difficult objects too, and no image or box is left out
(GluonCV: gluoncv/data/pascal_voc/detection.py, scripts/detection/faster_rcnn).  Validation is the
test split: it shows the progress of training, but nothing may be chosen by it.
"""

data_root = "{{$DATA_ROOT:data}}/voc/VOCdevkit/"
classes = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
image_scale = (1000, 600)  # largest long and short side in pixels

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
        type="ConcatDataset",
        datasets=[
            dict(
                type="VocFormat",
                data_root=data_root + "VOC2007",
                ann_file="ImageSets/Main/trainval.txt",
                metainfo=dict(classes=classes),
                difficult="keep",
                pipeline=train_pipeline,
            ),
            dict(
                type="VocFormat",
                data_root=data_root + "VOC2012",
                ann_file="ImageSets/Main/trainval.txt",
                metainfo=dict(classes=classes),
                difficult="keep",
                pipeline=train_pipeline,
            ),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="VocFormat",
        data_root=data_root + "VOC2007",
        ann_file="ImageSets/Main/test.txt",
        metainfo=dict(classes=classes),
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
        type="VocFormat",
        data_root=data_root + "VOC2007",
        ann_file="ImageSets/Main/test.txt",
        metainfo=dict(classes=classes),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type="VocMetric")
test_evaluator = dict(type="VocMetric")
