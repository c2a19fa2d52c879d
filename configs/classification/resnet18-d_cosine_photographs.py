"""Slim ResNet-18-D with cosine decay on small photographs: 94 classes, 48 px.

Paper:     arXiv:1812.01187, tables 8 and 9, row + cosine (on ImageNet)
Data:      DATA_ROOT/caltech/{train,val}/<class>/*.jpg
Command:   python tools/train_cls.py
           configs/classification/resnet18-d_cosine_photographs.py
Needs:     2 CPU cores, about 2 minutes
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

_base_ = [
    "_base_/models/resnet-d.py",
    "_base_/datasets/photographs.py",
    "_base_/schedules/cosine.py",
    "../_base_/default_runtime.py",
]
model = dict(backbone=dict(depth=18, stem_channels=32, base_channels=32, zero_init_residual=True))

num_epochs, warmup_epochs = 12, 1
# A larger rate than ImageNet's 0.1, which warm-up and zero gamma make possible: with all tricks
# top-1 is 56 on the val split, seed 99, and 52 at 0.4.
optim_wrapper = dict(optimizer=dict(lr=1.2))
param_scheduler = [
    dict(type="GradualWarmup", begin=0, end=warmup_epochs, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", begin=warmup_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=num_epochs, val_interval=num_epochs)
