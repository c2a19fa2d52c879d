"""For tests: a tiny FCN at stride 8 that trains in seconds on the drawn masks.

Paper:     arXiv:1812.01187, sec. 6.2 (on ADE20K)
Data:      python tools/prepare_data.py demo
Command:   python tools/train.py configs/segmentation/fcn_d8_tiny.py --backbone scratch
Needs:     1 CPU core, seconds
Result:    unmeasured; it learns next to nothing
"""

_base_ = [
    "_base_/models/fcn_r18-d8_slim.py",
    "_base_/datasets/demo.py",
    "_base_/schedules/poly_120e.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(channels=16), auxiliary_head=dict(channels=8))
# A worker would take longer to start than the few images to read.
train_dataloader = dict(num_workers=0, batch_size=4, dataset=dict(indices=8))
val_dataloader = dict(batch_size=4, dataset=dict(indices=4))
test_dataloader = dict(batch_size=4, dataset=dict(indices=4))
train_cfg = dict(max_epochs=2, val_interval=1)
default_hooks = dict(checkpoint=dict(save_best="mIoU"))
