"""Scratch and the seven rows of the paper's tables 8 and 9, at a size for two CPU cores.

Paper:     arXiv:1812.01187, tables 8 and 9 (with ResNet-50 on ImageNet)
Data:      DATA_ROOT/caltech (pretraining) and DATA_ROOT/shapes5 (fine-tuning), see the configs
Command:   python tools/ladder.py configs/ladder/small.py
Needs:     2 CPU cores; --dry-run estimates the time
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

folder = "configs/classification/resnet18-"
rungs = dict(
    scratch=None,
    b_standard=dict(row="B-standard", config=folder + "b_photographs.py"),
    d_efficient=dict(row="D-efficient", config=folder + "d_efficient_photographs.py"),
    cosine=dict(row="+ cosine", config=folder + "d_cosine_photographs.py"),
    smooth=dict(row="+ smooth", config=folder + "d_cosine-lbs_photographs.py"),
    distill=dict(
        row="+ distill w/o mixup",
        config=folder + "d_cosine-lbs-distill_photographs.py",
        teacher="smooth",
    ),
    mixup=dict(row="+ mixup w/o distill", config=folder + "d_cosine-lbs-mixup_photographs.py"),
    distill_mixup=dict(
        row="+ distill w/ mixup",
        config=folder + "d_cosine-lbs-distill-mixup_photographs.py",
        teacher="smooth",
    ),
)
tasks = dict(
    detection="configs/detection/faster-rcnn_fpn_photographs.py",
    segmentation="configs/segmentation/fcn_d8_photographs.py",
)
seeds = [0, 1, 2]
