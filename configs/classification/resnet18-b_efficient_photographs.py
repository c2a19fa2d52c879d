"""Slim ResNet-18-B, trained efficiently, on small photographs: 94 classes, 48 px.

Paper:     arXiv:1812.01187, table 3, efficient recipe, with the network of the row B-standard
Data:      DATA_ROOT/caltech/{train,val}/<class>/*.jpg
Command:   python tools/train_cls.py
           configs/classification/resnet18-b_efficient_photographs.py
Needs:     2 CPU cores, about 2 minutes
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

_base_ = ["resnet18-d_cosine_photographs.py"]
model = dict(backbone=dict(type="ResNetB"))
# The same steps as for B-standard: see resnet18-b_photographs.py.
param_scheduler = [
    dict(type="GradualWarmup", begin=0, end=1, convert_to_iter_based=True),
    dict(type="MultiStepLR", milestones=[8, 11], gamma=0.1),
]
