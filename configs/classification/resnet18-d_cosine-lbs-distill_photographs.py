"""Slim ResNet-18-D with smoothing and distillation on small photographs: 94 classes, 48 px.

Paper:     arXiv:1812.01187, tables 8 and 9, row + distill w/o mixup (on ImageNet)
Data:      DATA_ROOT/caltech/{train,val}/<class>/*.jpg
Command:   python tools/train_cls.py
           configs/classification/resnet18-d_cosine-lbs-distill_photographs.py
           after resnet18-d_cosine-lbs_photographs.py; with another teacher:
           --cfg-options model.distillation.teacher.checkpoint=FILE
Needs:     2 CPU cores, about 3 minutes
Weights:   0.5 x labels + 0.5 x teacher, as in the paper's code (GluonCV loss.py); our rows at
           full size have the paper's 1 + 1.  lr 1.2 was chosen with 0.5 each (all tricks, seed
           99), and the figures were measured with them.
Teacher:   the network of the row + smooth (in the paper ResNet-152-D)
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

_base_ = ["resnet18-d_cosine_photographs.py"]
model = dict(
    label_smoothing=dict(eps=0.1, form="paper"),
    distillation=dict(
        teacher=dict(checkpoint="work_dirs/resnet18-d_cosine-lbs_photographs/last_checkpoint"),
        temperature=20.0,
        hard_weight=0.5,
        soft_weight=0.5,
    ),
)
