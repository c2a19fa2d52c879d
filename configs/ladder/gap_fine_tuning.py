"""Why is a detector on D-efficient worse than on B-standard?  What fine-tuning has to do with it.

Paper:     arXiv:1812.01187, table 8, rows B-standard and D-efficient (with ImageNet and VOC)
Data:      DATA_ROOT/caltech (pretraining) and DATA_ROOT/shapes5 (fine-tuning), see the configs
Command:   python tools/ladder.py configs/ladder/gap_fine_tuning.py
Needs:     2 CPU cores; --dry-run estimates the time
Result:    docs/detector_lr.md
"""

folder = "configs/classification/resnet18-"
rungs = dict(
    b_standard=dict(row="B-standard", config=folder + "b_photographs.py"),
    d_efficient=dict(row="D-efficient", config=folder + "d_efficient_photographs.py"),
)
detector = "configs/detection/faster-rcnn_fpn_photographs.py"
lr = "optim_wrapper.optimizer.lr"
tasks = dict(
    lr_0005=dict(config=detector, cfg_options=[f"{lr}=0.005"]),
    lr_001=dict(config=detector, cfg_options=[f"{lr}=0.01"]),  # the shipped one
    lr_002=dict(config=detector, cfg_options=[f"{lr}=0.02"]),
    lr_004=dict(config=detector, cfg_options=[f"{lr}=0.04"]),
    lr_008=dict(config=detector, cfg_options=[f"{lr}=0.08"]),
    bn_trained=dict(config=detector, cfg_options=["model.backbone.norm_eval=False"]),
    epochs_36=dict(
        config=detector, cfg_options=["train_cfg.max_epochs=36", "train_cfg.val_interval=36"]
    ),
)
tune = None  # the values themselves are compared
seeds = [0, 1, 2, 3, 4]
