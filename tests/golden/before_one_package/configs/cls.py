"""A classifier of two classes, small enough to be kept: trains in a second.

The learning rate falls by steps, so that the run may be resumed with more epochs.
"""

_base_ = "../../../../configs/classification/resnet18-d_tiny.py"
custom_imports = dict(imports=["backbones", "classification", "engine.schedules"])

model = dict(backbone=dict(stem_channels=4, base_channels=2))
train_dataloader = dict(batch_size=4, num_workers=0)
val_dataloader = dict(batch_size=4, num_workers=0)
optim_wrapper = dict(optimizer=dict(lr=1.6))
param_scheduler = [dict(type="MultiStepLR", milestones=[8])]
train_cfg = dict(max_epochs=8, val_interval=4)
default_hooks = dict(checkpoint=dict(interval=4, max_keep_ckpts=1))
