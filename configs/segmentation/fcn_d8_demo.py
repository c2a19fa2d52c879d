"""The demo's slim FCN at stride 8 on the drawn masks.

Paper:     arXiv:1812.01187, sec. 6.2 (on ADE20K)
Data:      python tools/prepare_data.py demo
Command:   python tools/train.py configs/segmentation/fcn_d8_demo.py --backbone FILE
Needs:     2 CPU cores, half a minute
Result:    docs/results.md, section "The demo"
"""

_base_ = [
    "_base_/models/fcn_r18-d8_slim.py",
    "_base_/datasets/demo.py",
    "_base_/schedules/poly_120e.py",
    "../_base_/default_runtime.py",
]
# A crop as large as the pictures in pretraining, which gives more updates in the same time.
crop_px = 64
train_pipeline = [
    dict(type="ReadImage", keep_mb=64),
    dict(type="ReadMask"),
    dict(type="RandomCrop", crop_size=(crop_px, crop_px)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
model = dict(data_preprocessor=dict(size=(crop_px, crop_px)))
optim_wrapper = dict(optimizer=dict(lr=0.15))
train_cfg = dict(max_epochs=10, val_interval=10)
default_hooks = dict(checkpoint=dict(save_best="mIoU"))
