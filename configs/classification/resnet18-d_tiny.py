"""A very small ResNet-18-D with every trick except distillation: trains in seconds, for tests.

Paper:     none
Data:      python tools/prepare_data.py demo (or any few images in its layout)
Command:   python tools/train_cls.py configs/classification/resnet18-d_tiny.py
Needs:     1 CPU core, seconds
Result:    unmeasured; it learns next to nothing
"""

_base_ = [
    "_base_/models/resnet-d.py",
    "_base_/datasets/demo.py",
    "_base_/schedules/cosine.py",
    "../_base_/default_runtime.py",
]
model = dict(
    backbone=dict(depth=18, stem_channels=8, base_channels=8, zero_init_residual=True),
    label_smoothing=dict(eps=0.1, form="paper"),
    mixup=dict(alpha=0.2, off_epochs=0),
)

to_tensor = dict(type="torchvision/PILToTensor")
train_pipeline = [dict(type="RandomResizedCrop", size=32, scale=(0.3, 1.0)), to_tensor]
val_pipeline = [dict(type="torchvision/Resize", size=(32, 32)), to_tensor]
# A worker would take longer to start than the few images to read.
train_dataloader = dict(num_workers=0, batch_size=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=0, batch_size=8, dataset=dict(pipeline=val_pipeline))

param_scheduler = [
    dict(type="GradualWarmup", begin=0, end=1, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", begin=1, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=2)
