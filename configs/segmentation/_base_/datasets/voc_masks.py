"""Masks in PASCAL VOC's layout: JPEGImages, SegmentationClass, ImageSets/Segmentation/*.txt.

Class names come from classes.txt in data_root; without it they are the numbers in the masks.  A
leaf sets data_root.
"""

# Short side 520 times 0.5 to 2, crop 480, flip: GluonCV gluoncv/data/segbase.py without its blur.
train_pipeline = [
    dict(type="ReadImage"),
    dict(type="ReadMask"),
    dict(type="RandomResize", scale=(2080, 520), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=(480, 480)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
# The mask is read after the resize: predictions are scaled back and compared at the mask's size.
test_pipeline = [
    dict(type="ReadImage"),
    dict(type="Resize", scale=(2080, 520), keep_ratio=True),
    dict(type="ReadMask"),
    dict(type="PackSegInputs"),
]
# Scales and flip of GluonCV's MultiEvalModel, but whole images instead of its sliding crops.
tta_pipeline = [
    dict(type="ReadImage"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="Resize", scale=(int(2080 * ratio), int(520 * ratio)), keep_ratio=True)
                for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
            ],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="ReadMask")],
            [dict(type="PackSegInputs")],
        ],
    ),
]

data_root = "{{$DATA_ROOT:data}}/voc-masks"
splits = "ImageSets/Segmentation"
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="MaskFolder",
        data_root=data_root,
        split=f"{splits}/train.txt",
        max_unreadable=10,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,  # images differ in size
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="MaskFolder",
        data_root=data_root,
        split=f"{splits}/val.txt",
        max_unreadable=10,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="MaskFolder",
        data_root=data_root,
        split=f"{splits}/test.txt",
        max_unreadable=10,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_evaluator = dict(type="SegMetric")
test_evaluator = dict(type="SegMetric")
