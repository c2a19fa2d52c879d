"""Why is a detector on D-efficient worse than on B-standard?  What pretraining has to do with it.

Paper:     arXiv:1812.01187, table 8, rows B-standard and D-efficient (with ImageNet and VOC)
Data:      DATA_ROOT/caltech (pretraining) and DATA_ROOT/shapes5 (fine-tuning), see the configs
Command:   python tools/ladder.py configs/ladder/gap_pretraining.py
Needs:     2 CPU cores; --dry-run estimates the time
Result:    docs/detector_lr.md
"""

# B-standard and D-efficient have the names that they have in gap_fine_tuning.py: their cells at lr
# 0.01 and 0.04 are the same, and can be copied from there.
folder = "configs/classification/resnet18-"
b, d = folder + "b_photographs.py", folder + "d_efficient_photographs.py"
lr = "optim_wrapper.optimizer.lr"
rungs = dict(
    b_standard=dict(label="B-standard, lr 0.1", config=b),
    b_04=dict(label="B-standard, lr 0.4", config=b, cfg_options=[f"{lr}=0.4"], states=[lr]),
    b_12=dict(label="B-standard, lr 1.2", config=b, cfg_options=[f"{lr}=1.2"], states=[lr]),
    d_01=dict(
        label="D-efficient, lr 0.1", config=d, cfg_options=[f"{lr}=0.1"], compared_with="b_standard"
    ),
    d_04=dict(
        label="D-efficient, lr 0.4", config=d, cfg_options=[f"{lr}=0.4"], compared_with="b_04"
    ),
    d_efficient=dict(label="D-efficient, lr 1.2", config=d, compared_with="b_12"),
    d_gamma=dict(
        label="D-efficient, lr 1.2, gammas begin at 1",
        config=d,
        cfg_options=["model.backbone.zero_init_residual=False"],
    ),
)
detector = "configs/detection/faster-rcnn_fpn_photographs.py"
tasks = dict(
    lr_001=detector,
    lr_004=dict(config=detector, cfg_options=[f"{lr}=0.04"]),
)
tune = None  # the values themselves are compared
seeds = [0, 1, 2, 3, 4]
