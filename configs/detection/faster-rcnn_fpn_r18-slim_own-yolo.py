"""Your own images in YOLO's text files, on a CPU in minutes: slim ResNet-18-D, 256 px.

Paper:     none
Data:      DATA_ROOT/own-yolo/{data.yaml,images/{train,val,test},labels/{train,val,test}}
Command:   python tools/train.py configs/detection/faster-rcnn_fpn_r18-slim_own-yolo.py
           --backbone FILE
Needs:     2 CPU cores; --dry-run estimates the time
Result:    unmeasured
"""

_base_ = [
    "_base_/models/faster-rcnn_fpn_slim.py",
    "_base_/datasets/yolo_format.py",
    "_base_/schedules/few-images.py",
    "../_base_/default_runtime.py",
]
image_size = (256, 256)
batch_size = 8
epochs = 12
lr = 0.02  # that of faster-rcnn_fpn_demo.py
# Sides of 32, 64, 128 and 256 px: the demo's images are half as long.
# And as many boxes per image as mmdet keeps: the demo's images have few.
model = dict(
    rpn_head=dict(anchor_generator=dict(scales=[4, 8])),
    test_cfg=dict(rcnn=dict(max_per_img=100)),
)
tta_model = dict(tta_cfg=dict(max_per_img=100))
# Of two cores, one loads and one computes.
train_dataloader = dict(num_workers=1)
val_dataloader = dict(num_workers=1)
test_dataloader = dict(num_workers=1)
