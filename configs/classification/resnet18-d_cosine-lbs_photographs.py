"""Slim ResNet-18-D with cosine decay and label smoothing on small photographs: 94 classes, 48 px.

Paper:     arXiv:1812.01187, tables 8 and 9, row + smooth (on ImageNet)
Data:      DATA_ROOT/caltech/{train,val}/<class>/*.jpg
Command:   python tools/train_cls.py
           configs/classification/resnet18-d_cosine-lbs_photographs.py
Needs:     2 CPU cores, about 2 minutes
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

_base_ = ["resnet18-d_cosine_photographs.py"]
model = dict(label_smoothing=dict(eps=0.1, form="paper"))
