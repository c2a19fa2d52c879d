"""The demo's slim FCN at stride 8 on the drawn masks.

Paper:     arXiv:1812.01187, sec. 6.2 (ADE20K there)
Data:      python tools/prepare_data.py demo
Command:   python tools/train.py configs/segmentation/fcn_d8_demo.py --backbone FILE
Needs:     2 CPU cores, a minute
Result:    unmeasured
"""

_base_ = [
    "_base_/models/fcn_r18-d8_slim.py",
    "_base_/datasets/demo.py",
    "_base_/schedules/poly_120e.py",
    "../_base_/default_runtime.py",
]
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=0.1))
train_cfg = dict(max_epochs=8, val_interval=8)
default_hooks = dict(checkpoint=dict(save_best="mIoU"))
