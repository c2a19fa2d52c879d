"""The twelve rungs of small.py with ResNet-50 on photographs, all tuned, ten seeds, for one GPU.

Paper:     arXiv:1812.01187, tables 8 and 9 (with ImageNet, VOC and ADE20K)
Data:      DATA_ROOT/caltech (pretraining) and DATA_ROOT/shapes5 (fine-tuning), see the configs
Command:   python tools/ladder.py configs/ladder/small_gpu.py --max-minutes 9
           again and again, until the exit code is 0 instead of 75
Needs:     1 GPU, 8 cores to load images; time unmeasured (--dry-run estimates it)
Result:    unmeasured
"""

_base_ = ["small.py"]

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
large_as_the_others = [*large, "train_cfg.max_epochs=12", "train_cfg.val_interval=12"]
rungs = dict(
    b_standard=dict(cfg_options=large),
    b_efficient=dict(cfg_options=large),
    d_efficient=dict(cfg_options=large),
    cosine=dict(cfg_options=large),
    smooth=dict(cfg_options=large),
    distill=dict(cfg_options=large),
    mixup=dict(cfg_options=large_as_the_others),
    distill_mixup=dict(cfg_options=large_as_the_others),
    mixup_long=dict(cfg_options=large),
    distill_mixup_long=dict(cfg_options=large),
)
tasks = dict(
    detection=dict(
        _delete_=True,
        config="configs/detection/faster-rcnn_fpn_photographs.py",
        cfg_options=whole,
    ),
    segmentation=dict(
        _delete_=True, config="configs/segmentation/fcn_d8_photographs.py", cfg_options=whole
    ),
)
