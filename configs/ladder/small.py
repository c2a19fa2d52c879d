"""Twelve rungs that differ in one thing each, all tuned alike, at a size for two CPU cores.

The seven rows of the paper's tables 8 and 9, scratch for both networks, network B with the
efficient recipe, and the mixup rows at the others' epochs and once more at the paper's longer
schedule.

Paper:     arXiv:1812.01187, tables 8 and 9 (with ResNet-50 on ImageNet)
Data:      DATA_ROOT/caltech (pretraining) and DATA_ROOT/shapes5 (fine-tuning), see the configs
Command:   python tools/ladder.py configs/ladder/small.py
Needs:     2 CPU cores; --dry-run estimates the time
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

folder = "configs/classification/resnet18-"
lr = "optim_wrapper.optimizer.lr"
# The mixup configs train 20 epochs: the paper gives these rows 200 instead of 120.
as_the_others = ["train_cfg.max_epochs=12", "train_cfg.val_interval=12"]
rungs = dict(
    scratch=dict(scratch=True, label="scratch, D"),
    scratch_b=dict(
        scratch=True,
        label="scratch, B",
        task_options=["model.backbone.type=ResNetB"],
        states=["model.backbone.type"],
    ),
    b_standard=dict(row="B-standard", config=folder + "b_photographs.py"),
    b_efficient=dict(label="B-efficient", config=folder + "b_efficient_photographs.py"),
    d_efficient=dict(row="D-efficient", config=folder + "d_efficient_photographs.py"),
    cosine=dict(row="+ cosine", config=folder + "d_cosine_photographs.py"),
    smooth=dict(row="+ smooth", config=folder + "d_cosine-lbs_photographs.py"),
    distill=dict(
        row="+ distill w/o mixup",
        config=folder + "d_cosine-lbs-distill_photographs.py",
        teacher="smooth",
    ),
    mixup=dict(
        row="+ mixup w/o distill",
        config=folder + "d_cosine-lbs-mixup_photographs.py",
        cfg_options=as_the_others,
        compared_with="smooth",
    ),
    distill_mixup=dict(
        row="+ distill w/ mixup",
        config=folder + "d_cosine-lbs-distill-mixup_photographs.py",
        cfg_options=as_the_others,
        teacher="smooth",
    ),
    mixup_long=dict(
        row="+ mixup w/o distill",
        label="+ mixup w/o distill, 20 epochs",
        config=folder + "d_cosine-lbs-mixup_photographs.py",
        compared_with="mixup",
        states=["train_cfg"],
    ),
    distill_mixup_long=dict(
        row="+ distill w/ mixup",
        label="+ distill w/ mixup, 20 epochs",
        config=folder + "d_cosine-lbs-distill-mixup_photographs.py",
        teacher="smooth",
        compared_with="distill_mixup",
        states=["train_cfg"],
    ),
)
tasks = dict(
    detection="configs/detection/faster-rcnn_fpn_photographs.py",
    segmentation="configs/segmentation/fcn_d8_photographs.py",
)
tune = dict(
    pretraining={lr: [0.1, 0.4, 1.2]},
    detection={lr: [0.01, 0.02, 0.04, 0.08]},
    segmentation={lr: [0.025, 0.05, 0.1, 0.2]},
)
tuning_seeds = [1000]
seeds = list(range(10))
