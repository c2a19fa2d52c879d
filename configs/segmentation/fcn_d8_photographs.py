"""The slim FCN at stride 8 on 283 photographs of five classes, a third of the training split.

Paper:     arXiv:1812.01187, table 9 (on ADE20K)
Data:      DATA_ROOT/shapes5/{JPEGImages,SegmentationClass,ImageSets/Segmentation/*.txt}
Command:   python tools/train.py configs/segmentation/fcn_d8_photographs.py --backbone FILE
Needs:     2 CPU cores, about 2 minutes
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

_base_ = [
    "_base_/models/fcn_r18-d8_slim.py",
    "_base_/datasets/demo.py",
    "_base_/schedules/poly_120e.py",
    "../_base_/default_runtime.py",
]
photographs = dict(
    data_root="{{$DATA_ROOT:data}}/shapes5",
    classes=("background", "airplane", "bicycle", "boat", "car", "motorbike"),
)
# Photographs are up to 256 px long: half of that suits the crop of 96 px.
shorter = dict(type="Resize", scale=(128, 128), keep_ratio=True)
train_pipeline = [
    dict(type="ReadImage", keep_mb=64),
    dict(type="ReadMask"),
    shorter,
    dict(type="RandomCrop", crop_size=(96, 96)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="ReadImage"),
    shorter,
    dict(type="ReadMask"),  # after Resize: masks keep their size
    dict(type="PackSegInputs"),
]
tta_pipeline = [
    dict(type="ReadImage"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="Resize", scale=(size, size), keep_ratio=True) for size in (96, 128, 192)],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="ReadMask")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
# Every third image only, because pretraining matters most with few images; the list is sorted by
# class.
few = dict(photographs, indices=list(range(0, 849, 3)), pipeline=train_pipeline)
train_dataloader = dict(batch_size=8, dataset=few)
val_dataloader = dict(batch_size=1, dataset=dict(photographs, pipeline=test_pipeline))
test_dataloader = dict(batch_size=1, dataset=dict(photographs, pipeline=test_pipeline))
# Chosen on the val split, seed 99, with the D backbone: in 10 epochs at 0.01 it learns little.
optim_wrapper = dict(optimizer=dict(lr=0.1))
train_cfg = dict(max_epochs=30, val_interval=30)
default_hooks = dict(checkpoint=dict(save_best="mIoU"))
