"""Slim ResNet-18-B, step decay and no trick, on 94 classes of small photographs, 48 px.

Paper:     arXiv:1812.01187, table 5, row ResNet-50-B, trained as in sec. 2.1 (ImageNet there)
Data:      DATA_ROOT/caltech/{train,val}/<class>/*.jpg
Command:   python tools/train_cls.py configs/classification/resnet18-b_photographs.py
Needs:     2 CPU cores, about 4 minutes
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet-d.py",
    "_base_/datasets/photographs.py",
    "_base_/schedules/step.py",
    "../_base_/default_runtime.py",
]
model = dict(backbone=dict(type="ResNetB", depth=18, stem_channels=32, base_channels=32))

num_epochs = 12
# Few updates: the rate that suits them is several times ImageNet's 0.1.
optim_wrapper = dict(optimizer=dict(lr=0.4))
# The paper's 30, 60 and 90 of 120 epochs.
param_scheduler = [
    dict(
        type="MultiStepLR",
        milestones=[num_epochs // 4, num_epochs // 2, num_epochs * 3 // 4],
        gamma=0.1,
    )
]
train_cfg = dict(max_epochs=num_epochs, val_interval=4)
