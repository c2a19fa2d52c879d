"""Slim ResNet-18-B, step decay and no trick, on 94 classes of small photographs, 48 px.

Paper:     arXiv:1812.01187, table 5, row ResNet-50-B, trained as in sec. 2.1 (on ImageNet)
Data:      DATA_ROOT/caltech/{train,val}/<class>/*.jpg
Command:   python tools/train_cls.py configs/classification/resnet18-b_photographs.py
Needs:     2 CPU cores, about 2 minutes
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

_base_ = [
    "_base_/models/resnet-d.py",
    "_base_/datasets/photographs.py",
    "_base_/schedules/step.py",
    "../_base_/default_runtime.py",
]
model = dict(backbone=dict(type="ResNetB", depth=18, stem_channels=32, base_channels=32))

num_epochs = 12
# The steps are late: with the paper's at a quarter, a half and three quarters of so few epochs,
# the network learns little (top-1 31 instead of 47 on the val split, seed 99).
param_scheduler = [dict(type="MultiStepLR", milestones=[8, 11], gamma=0.1)]
train_cfg = dict(max_epochs=num_epochs, val_interval=num_epochs)
