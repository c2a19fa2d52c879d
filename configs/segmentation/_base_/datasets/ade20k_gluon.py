"""ADE20K (SceneParse150) as GluonCV read it at the paper's time: 20,210 images to train, 2,000 to
validate, 150 classes, 0 unlabelled.

dmlc/gluon-cv at 3473b1a2, gluoncv/data/segbase.py and gluoncv/model_zoo/segbase.py.  The truth of
the test split is not public: results are those of the validation split.
"""

base_px, crop_px = 520, 480
stride_px = crop_px * 2 // 3
black = dict(img=0, seg=255)  # 255: ignored
# The short side becomes base_px times 0.5 to 2; the long one has practically no limit.
train_pipeline = [
    dict(type="ReadImage"),
    dict(type="ReadMask"),
    dict(
        type="RandomResize",
        scale=(100 * base_px, base_px),
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
        resize_type="PillowResize",
        interpolation="bilinear",
    ),
    dict(type="RandomCrop", crop_size=(crop_px, crop_px)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="Pad", size=(crop_px, crop_px), pad_val=black),
    dict(type="RandomGaussianBlur", prob=0.5, max_radius=1.0),
    dict(type="PackSegInputs"),
]
# The whole image at its own size.
test_pipeline = [
    dict(type="ReadImage"),
    dict(type="ReadMask"),
    dict(type="PackSegInputs"),
]
# MultiEvalModel: the long side is base_px times the ratio.
meta_keys = ("img_path", "ori_shape", "img_shape", "pad_shape", "padding_size", "scale_factor")
meta_keys += ("flip", "flip_direction", "reduce_zero_label")
tta_pipeline = [
    dict(type="ReadImage"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="Resize", scale=(int(base_px * ratio),) * 2, keep_ratio=True)
                for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
            ],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="PadToWindows", crop_px=crop_px, stride_px=stride_px)],
            [dict(type="ReadMask")],
            [dict(type="PackSegInputs", meta_keys=meta_keys)],
        ],
    ),
]
tta_test_cfg = dict(mode="slide", crop_size=(crop_px, crop_px), stride=(stride_px, stride_px))

data_root = "{{$DATA_ROOT:data}}/ade20k"
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,  # 20,210 / 16: 1,263 batches; GluonCV keeps the rest for the next epoch
    sampler=dict(type="DefaultSampler", shuffle=True),
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
