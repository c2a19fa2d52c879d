"""Your own images on a small GPU: ResNet-18-D at 160 px, classes read from the folders.

Paper:     arXiv:1812.01187, table 6, row mixup without distillation (ResNet-50-D on ImageNet)
Data:      DATA_ROOT/own-images/{train,val}/<class name>/<any name>.jpg
Command:   python tools/train_cls.py configs/classification/resnet18-d_own-images.py
Needs:     a GPU with 4 GB or more (an estimate: unmeasured); --dry-run estimates the time
Result:    unmeasured
"""

_base_ = ["resnet50-d_own-images.py"]
model = dict(backbone=dict(depth=18))
image_size = 160
batch_size = 64
epochs = 60
