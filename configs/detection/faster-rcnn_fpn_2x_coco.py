"""Faster R-CNN, ResNet-50-D + FPN, 2x, COCO 2017.

Paper:     none (arXiv:1812.01187, sec. 6.1, has Pascal VOC)
Data:      DATA_ROOT/coco/{annotations,train2017,val2017}
Command:   python tools/train.py configs/detection/faster-rcnn_fpn_2x_coco.py --backbone FILE
Needs:     8 GPUs x 2 images, or fewer: lr follows the batch; time unmeasured
Result:    unmeasured
"""

_base_ = [
    "_base_/models/faster-rcnn_fpn.py",
    "_base_/datasets/coco.py",
    "_base_/schedules/2x.py",
    "../_base_/default_runtime.py",
]
