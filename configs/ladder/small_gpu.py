"""Scratch and the seven rows of tables 8 and 9 with ResNet-50 on photographs, for one GPU.

Paper:     arXiv:1812.01187, tables 8 and 9 (with ImageNet, VOC and ADE20K)
Data:      DATA_ROOT/caltech (pretraining) and DATA_ROOT/shapes5 (fine-tuning), see the configs
Command:   python tools/ladder.py configs/ladder/small_gpu.py --max-minutes 9
           again and again, until the exit code is 0 instead of 75
Needs:     1 GPU, 8 cores to load images; time unmeasured (--dry-run estimates it)
Result:    unmeasured
"""

folder = "configs/classification/resnet18-"
full = [f"model.backbone.{key}" for key in ("depth=50", "stem_channels=64", "base_channels=64")]
# The largest pictures that the photographs allow, and enough loaders to keep a GPU busy.
large = [
    *full,
    "train_dataloader.num_workers=8",
    "train_dataloader.dataset.pipeline.0.size=96",
    "val_dataloader.dataset.pipeline.0.size=110",
    "val_dataloader.dataset.pipeline.1.size=96",
]
whole = [*full, "train_dataloader.num_workers=8"]
rungs = dict(
    scratch=None,
    b_standard=dict(row="B-standard", config=folder + "b_photographs.py", cfg_options=large),
    d_efficient=dict(
        row="D-efficient", config=folder + "d_efficient_photographs.py", cfg_options=large
    ),
    cosine=dict(row="+ cosine", config=folder + "d_cosine_photographs.py", cfg_options=large),
    smooth=dict(row="+ smooth", config=folder + "d_cosine-lbs_photographs.py", cfg_options=large),
    distill=dict(
        row="+ distill w/o mixup",
        config=folder + "d_cosine-lbs-distill_photographs.py",
        cfg_options=large,
        teacher="smooth",
    ),
    mixup=dict(
        row="+ mixup w/o distill",
        config=folder + "d_cosine-lbs-mixup_photographs.py",
        cfg_options=large,
    ),
    distill_mixup=dict(
        row="+ distill w/ mixup",
        config=folder + "d_cosine-lbs-distill-mixup_photographs.py",
        cfg_options=large,
        teacher="smooth",
    ),
)
tasks = dict(
    detection=dict(config="configs/detection/faster-rcnn_fpn_photographs.py", cfg_options=whole),
    segmentation=dict(config="configs/segmentation/fcn_d8_photographs.py", cfg_options=whole),
)
seeds = [0, 1, 2]
