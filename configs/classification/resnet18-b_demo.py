"""The demo's slim ResNet-18-B, trained the standard way: step decay and no trick.

Paper:     arXiv:1812.01187, table 5, row ResNet-50-B, trained as in sec. 2.1
Data:      python tools/prepare_data.py demo
Command:   python tools/train_cls.py configs/classification/resnet18-b_demo.py
Needs:     2 CPU cores, about a minute
Result:    docs/results.md, section "The demo"
"""

_base_ = [
    "_base_/models/resnet-d.py",
    "_base_/datasets/demo.py",
    "_base_/schedules/step.py",
    "../_base_/default_runtime.py",
]
# The stem is a single 7x7 convolution; the width is that of the D leaf.
model = dict(backbone=dict(type="ResNetB", depth=18, stem_channels=32, base_channels=32))

num_epochs = 4
# Half of ImageNet's rate: without warm-up, 0.1 spoils the first updates for some seeds, and there
# are few updates.
optim_wrapper = dict(optimizer=dict(lr=0.05))
# Only the last of the paper's steps: with steps at a quarter and a half of so few epochs, the
# network would hardly learn.
param_scheduler = [dict(type="MultiStepLR", milestones=[3], gamma=0.1)]
train_cfg = dict(max_epochs=num_epochs, val_interval=num_epochs)
