"""The slim FCN at stride 8 on 283 photographs of five classes, a third of the training split.

Paper:     arXiv:1812.01187, table 9 (ADE20K there)
Data:      DATA_ROOT/shapes5/{JPEGImages,SegmentationClass,ImageSets/Segmentation/*.txt}
Command:   python tools/train.py configs/segmentation/fcn_d8_photographs.py --backbone FILE
Needs:     2 CPU cores, about a minute
Result:    see docs/results.md
"""

_base_ = ["fcn_d8_demo.py"]
photographs = dict(
    data_root="{{$DATA_ROOT:data}}/shapes5",
    classes=("background", "airplane", "bicycle", "boat", "car", "motorbike"),
)
# Photographs are up to 256 px long: half of that is what the crop of 96 px is made for.
shorter = dict(type="Resize", scale=(128, 128), keep_ratio=True)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    shorter,
    dict(type="RandomCrop", crop_size=(96, 96)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    shorter,
    dict(type="LoadAnnotations"),  # behind Resize: masks keep their size
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    # The list goes class by class: every third image, not the first ones.
    dataset=dict(photographs, indices=list(range(0, 849, 3)), pipeline=train_pipeline)
)
val_dataloader = dict(batch_size=1, dataset=dict(photographs, pipeline=test_pipeline))
test_dataloader = dict(batch_size=1, dataset=dict(photographs, pipeline=test_pipeline))
train_cfg = dict(max_epochs=10, val_interval=10)
