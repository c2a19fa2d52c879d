"""Faster R-CNN, ResNet-50-D + FPN, 1x, Pascal VOC 2007 + 2012.

Paper:     arXiv:1812.01187, sec. 6.1 (without a pyramid: see faster-rcnn_c4_paper_voc.py)
Data:      DATA_ROOT/voc/VOCdevkit/{VOC2007,VOC2012}
Command:   python tools/train.py configs/detection/faster-rcnn_fpn_1x_voc.py --backbone FILE
Needs:     8 GPUs x 2 images, or fewer: lr follows the batch; time unmeasured
Result:    unmeasured
"""

_base_ = [
    "_base_/models/faster-rcnn_fpn.py",
    "_base_/datasets/voc0712.py",
    "_base_/schedules/1x.py",
    "../_base_/default_runtime.py",
]
# As in mmdet's pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py: 4 epochs of 3 repeats, evaluated after
# each, without warm-up.
train_cfg = dict(val_interval=3)
param_scheduler = [
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=12, milestones=[9], gamma=0.1)
]
optim_wrapper = dict(optimizer=dict(lr=0.01))
