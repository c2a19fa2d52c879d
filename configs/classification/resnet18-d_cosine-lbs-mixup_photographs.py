"""Slim ResNet-18-D with smoothing and mixup on small photographs: 94 classes, 48 px.

Paper:     arXiv:1812.01187, tables 8 and 9, row + mixup w/o distill (on ImageNet)
Data:      DATA_ROOT/caltech/{train,val}/<class>/*.jpg
Command:   python tools/train_cls.py
           configs/classification/resnet18-d_cosine-lbs-mixup_photographs.py
Needs:     2 CPU cores, about 4 minutes
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

_base_ = ["resnet18-d_cosine_photographs.py"]
model = dict(
    label_smoothing=dict(eps=0.1, form="paper"),
    mixup=dict(alpha=0.2, off_epochs=0),
)

# The paper trains these rows 200 epochs instead of 120.
num_epochs = 20
train_cfg = dict(max_epochs=num_epochs, val_interval=num_epochs)
