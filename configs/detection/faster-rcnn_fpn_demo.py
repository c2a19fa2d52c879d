"""The demo's slim Faster R-CNN on the drawn images, 128 px.

Paper:     none
Data:      python tools/prepare_data.py demo
Command:   python tools/train.py configs/detection/faster-rcnn_fpn_demo.py --backbone FILE
Needs:     2 CPU cores, about a minute
Result:    docs/results.md, section "The demo"
"""

_base_ = [
    "_base_/models/faster-rcnn_fpn_slim.py",
    "_base_/datasets/demo.py",
    "_base_/schedules/few-images.py",
    "../_base_/default_runtime.py",
]
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=0.02))
train_cfg = dict(max_epochs=6, val_interval=6)
