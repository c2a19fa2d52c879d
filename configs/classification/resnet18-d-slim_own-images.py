"""Your own images on a CPU, in minutes: ResNet-18-D of half the width at 64 px.

Paper:     arXiv:1812.01187, table 6, row mixup without distillation (ResNet-50-D on ImageNet)
Data:      DATA_ROOT/own-images/{train,val}/<class name>/<any name>.jpg
Command:   python tools/train_cls.py configs/classification/resnet18-d-slim_own-images.py
Needs:     2 CPU cores; --dry-run estimates the time
Result:    unmeasured
"""

_base_ = ["resnet50-d_own-images.py"]
model = dict(backbone=dict(depth=18, stem_channels=32, base_channels=32))
image_size = 64
epochs = 24
lr = 1.2  # that of resnet18-d_cosine_photographs.py
# Of two cores, one loads and one computes.
train_dataloader = dict(num_workers=1)
val_dataloader = dict(num_workers=1)
