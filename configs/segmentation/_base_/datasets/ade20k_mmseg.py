"""ADE20K (SceneParse150) as mmseg's ade20k.py reads it: 20,210 images to train, 2,000 to validate,
150 classes, 0 unlabelled.

The truth of the test split is not public: results are those of the validation split.
tests/segmentation/test_upstream_recipes_seg.py lists the differences.
"""

crop_size = (512, 512)
train_pipeline = [
    dict(type="ReadImage"),
    dict(type="ReadMask"),
    dict(type="RandomResize", scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
# The mask is read after the resize: predictions are scaled back and compared at the mask's size.
test_pipeline = [
    dict(type="ReadImage"),
    dict(type="Resize", scale=(2048, 512), keep_ratio=True),
    dict(type="ReadMask"),
    dict(type="PackSegInputs"),
]
tta_pipeline = [
    dict(type="ReadImage"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="Resize", scale_factor=ratio, keep_ratio=True)
                for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
            ],
            [
                dict(type="RandomFlip", prob=0.0, direction="horizontal"),
                dict(type="RandomFlip", prob=1.0, direction="horizontal"),
            ],
            [dict(type="ReadMask")],
            [dict(type="PackSegInputs")],
        ],
    ),
]

data_root = "{{$DATA_ROOT:data}}/ade20k"
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="MaskFolder",
        data_root=data_root,
        img_dir="images/training",
        mask_dir="annotations/training",
        classes="ade20k",
        reduce_zero_label=True,
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
        img_dir="images/validation",
        mask_dir="annotations/validation",
        classes="ade20k",
        reduce_zero_label=True,
        max_unreadable=10,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="SegMetric")
test_evaluator = dict(type="SegMetric")
