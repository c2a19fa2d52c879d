"""The drawn masks of ``tools/prepare_data.py demo``: PASCAL VOC's layout, PNG images, one size."""

train_pipeline = [
    dict(type="ReadImage", keep_mb=64),
    dict(type="ReadMask"),
    dict(type="RandomCrop", crop_size=(96, 96)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="ReadImage"),
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
                for ratio in (0.75, 1.0, 1.5)
            ],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="ReadMask")],
            [dict(type="PackSegInputs")],
        ],
    ),
]

data_root = "{{$DATA_ROOT:data}}/demo/segmentation"
splits = "ImageSets/Segmentation"
# Of two cores, one loads and one computes: two compute threads would wait for each other whenever
# another process needs a core, too.
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="MaskFolder",
        data_root=data_root,
        split=f"{splits}/train.txt",
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="MaskFolder",
        data_root=data_root,
        split=f"{splits}/val.txt",
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="MaskFolder",
        data_root=data_root,
        split=f"{splits}/test.txt",
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_evaluator = dict(type="SegMetric")
test_evaluator = dict(type="SegMetric")
