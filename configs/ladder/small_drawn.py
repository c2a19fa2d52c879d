"""The rungs of small.py on a second data set: the drawn images, of another seed than the demo's.

The recipes of pretraining and the schedules of fine-tuning are those of the photographs; the
networks, the values tried and the way to a verdict, too.

Paper:     arXiv:1812.01187, tables 8 and 9 (with ResNet-50 on ImageNet)
Data:      python tools/prepare_data.py demo --seed 1 --data-root drawn_1
Command:   DATA_ROOT=drawn_1 python tools/ladder.py configs/ladder/small_drawn.py
Needs:     2 CPU cores; --dry-run estimates the time
Result:    unmeasured
"""

_base_ = ["small.py"]

images = "{{$DATA_ROOT:data}}/demo/classification"
drawn = [
    f"train_dataloader.dataset.root={images}/train",
    f"val_dataloader.dataset.root={images}/val",
    f"val_dataloader.dataset.classes_from={images}/train",
]
drawn_as_the_others = [*drawn, "train_cfg.max_epochs=12", "train_cfg.val_interval=12"]
rungs = dict(
    b_standard=dict(cfg_options=drawn),
    b_efficient=dict(cfg_options=drawn),
    d_efficient=dict(cfg_options=drawn),
    cosine=dict(cfg_options=drawn),
    smooth=dict(cfg_options=drawn),
    distill=dict(cfg_options=drawn),
    mixup=dict(cfg_options=drawn_as_the_others),
    distill_mixup=dict(cfg_options=drawn_as_the_others),
    mixup_long=dict(cfg_options=drawn),
    distill_mixup_long=dict(cfg_options=drawn),
)
tasks = dict(
    detection=dict(
        _delete_=True,
        config="configs/detection/faster-rcnn_fpn_demo.py",
        cfg_options=["train_cfg.max_epochs=12", "train_cfg.val_interval=12"],
    ),
    segmentation=dict(
        _delete_=True,
        config="configs/segmentation/fcn_d8_demo.py",
        cfg_options=["train_cfg.max_epochs=30", "train_cfg.val_interval=30"],
    ),
)
seeds = [0, 1, 2, 3, 4]
