"""Very few images and steps: trains in seconds, for tests.

Paper:     none
Data:      python tools/prepare_data.py demo (or any few images in its layout)
Command:   python tools/train.py configs/detection/faster-rcnn_fpn_tiny.py --backbone FILE
Needs:     1 CPU core, seconds
Result:    unmeasured; it learns next to nothing
"""

_base_ = [
    "_base_/models/faster-rcnn_fpn_slim.py",
    "_base_/datasets/demo.py",
    "_base_/schedules/few-images.py",
    "../_base_/default_runtime.py",
]
model = dict(roi_head=dict(bbox_head=dict(fc_out_channels=64)))
# A worker would take longer to start than the few images to read.
train_dataloader = dict(num_workers=0, batch_size=4, dataset=dict(indices=16))
val_dataloader = dict(batch_size=4, dataset=dict(indices=8))
test_dataloader = dict(batch_size=4, dataset=dict(indices=8))
train_cfg = dict(max_epochs=2)
