"""Your own images in YOLO's text files on a small GPU: ResNet-18-D, long side 800 px.

Paper:     none
Data:      DATA_ROOT/own-yolo/{data.yaml,images/{train,val,test},labels/{train,val,test}}
Command:   python tools/train.py configs/detection/faster-rcnn_fpn_r18_own-yolo.py --backbone FILE
Needs:     a GPU with 4 GB or more (an estimate: unmeasured); --dry-run estimates the time
Result:    unmeasured
"""

_base_ = [
    "_base_/models/faster-rcnn_fpn.py",
    "_base_/datasets/yolo_format.py",
    "_base_/schedules/few-images.py",
    "../_base_/default_runtime.py",
]
model = dict(backbone=dict(depth=18), neck=dict(in_channels=[64, 128, 256, 512]))
image_size = (800, 480)
