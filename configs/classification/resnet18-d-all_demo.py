"""The demo's slim ResNet-18-D with every trick, including distillation from its B-standard.

Paper:     arXiv:1812.01187, table 6, row mixup with distillation (with teacher ResNet-152-D)
Data:      python tools/prepare_data.py demo
Command:   python tools/train_cls.py configs/classification/resnet18-d-all_demo.py
           after resnet18-b_demo.py; with another teacher:
           --cfg-options model.distillation.teacher.checkpoint=FILE
Needs:     2 CPU cores, about a minute
Result:    docs/results.md, section "The demo"
"""

_base_ = ["resnet18-d_demo.py"]
model = dict(
    # The paper's temperature, but its code's weights (GluonCV loss.py); the paper's are 1 and 1.
    distillation=dict(
        teacher=dict(checkpoint="work_dirs/resnet18-b_demo/last_checkpoint"),
        temperature=20.0,
        hard_weight=0.5,
        soft_weight=0.5,
    ),
)
