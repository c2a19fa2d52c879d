"""Slim ResNet-18-D with every trick on small photographs: 94 classes, 48 px.

Paper:     arXiv:1812.01187, tables 8 and 9, row + distill w/ mixup (on ImageNet)
Data:      DATA_ROOT/caltech/{train,val}/<class>/*.jpg
Command:   python tools/train_cls.py
           configs/classification/resnet18-d_cosine-lbs-distill-mixup_photographs.py
           after resnet18-d_cosine-lbs_photographs.py; with another teacher:
           --cfg-options model.distillation.teacher.checkpoint=FILE
Needs:     2 CPU cores, about 5 minutes
Weights:   0.5 each, for the reason in resnet18-d_cosine-lbs-distill_photographs.py
Teacher:   the network of the row + smooth, so that the row differs from that without mixup in mixup
           alone (in the paper ResNet-152-D, trained with mixup)
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

_base_ = ["resnet18-d_cosine_photographs.py"]
model = dict(
    label_smoothing=dict(eps=0.1, form="paper"),
    mixup=dict(alpha=0.2, off_epochs=0),
    distillation=dict(
        teacher=dict(checkpoint="work_dirs/resnet18-d_cosine-lbs_photographs/last_checkpoint"),
        temperature=20.0,
        hard_weight=0.5,
        soft_weight=0.5,
    ),
)

# The paper trains these rows 200 epochs instead of 120.
num_epochs = 20
train_cfg = dict(max_epochs=num_epochs, val_interval=num_epochs)
