"""The demo's slim ResNet-18-D with every trick except distillation, cosine decay.

Paper:     arXiv:1812.01187, table 6, row mixup without distillation (on ImageNet)
Data:      python tools/prepare_data.py demo
Command:   python tools/train_cls.py configs/classification/resnet18-d_demo.py
Needs:     2 CPU cores, about a minute
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet-d.py",
    "_base_/datasets/demo.py",
    "_base_/schedules/cosine.py",
    "../_base_/default_runtime.py",
]
model = dict(
    backbone=dict(depth=18, stem_channels=32, base_channels=32, zero_init_residual=True),
    label_smoothing=dict(eps=0.1, form="paper"),
    mixup=dict(alpha=0.2, off_epochs=0),
)

# One epoch less than B-standard, because an epoch with the teacher takes longer.
num_epochs, warmup_epochs = 3, 1
# There are 300 updates instead of 600,000, so the rate is larger than ImageNet's 0.1; warm-up and
# zero gamma make this possible.
optim_wrapper = dict(optimizer=dict(lr=1.2))
param_scheduler = [
    dict(type="GradualWarmup", begin=0, end=warmup_epochs, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", begin=warmup_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=num_epochs, val_interval=num_epochs)
