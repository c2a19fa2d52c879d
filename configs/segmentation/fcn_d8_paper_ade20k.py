"""FCN at stride 8 on ADE20K, GluonCV's schedule.

Paper:     arXiv:1812.01187, sec. 6.2, table 9
Data:      DATA_ROOT/ade20k/{images,annotations}/{training,validation}
Command:   python tools/train.py configs/segmentation/fcn_d8_ade20k.py --backbone FILE
Needs:     a GPU with 40 GB (an estimate: unmeasured); --dry-run estimates the time
Split:     the truth of its test split is not public: the validation split is tested
Differs:   from GluonCV by mmseg's head (two 3x3 and the concatenated input, aux weight 0.4)
           and without Gaussian blur
Result:    unmeasured
"""

_base_ = [
    "_base_/models/fcn_r50-d8.py",
    "_base_/datasets/ade20k.py",
    "_base_/schedules/poly_120e.py",
    "../_base_/default_runtime.py",
]
# The rows of the paper's table share this config; each takes the backbone of another leaf of
# configs/classification/.
rows = [
    dict(
        table="T9",
        row="B-standard",
        published=dict(pixAcc=78.08, mIoU=37.05),
        backbone="resnet50-b_baseline_8xb32_in1k",
        compare_to=None,
    ),
    dict(
        table="T9",
        row="D-efficient",
        published=dict(pixAcc=78.88, mIoU=38.88),
        backbone="resnet50-d_efficient_8xb128_in1k",
        compare_to="resnet50-b_baseline_8xb32_in1k",
    ),
    dict(
        table="T9",
        row="+ cosine",
        published=dict(pixAcc=79.25, mIoU=39.33),
        backbone="resnet50-d_cosine_8xb128_in1k",
        compare_to="resnet50-d_efficient_8xb128_in1k",
    ),
    dict(
        table="T9",
        row="+ smooth",
        published=dict(pixAcc=78.64, mIoU=38.75),
        backbone="resnet50-d_cosine-lbs_8xb128_in1k",
        compare_to="resnet50-d_cosine_8xb128_in1k",
    ),
    dict(
        table="T9",
        row="+ distill w/o mixup",
        published=dict(pixAcc=78.97, mIoU=38.9),
        backbone="resnet50-d_cosine-lbs-distill_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs_8xb128_in1k",
    ),
    dict(
        table="T9",
        row="+ mixup w/o distill",
        published=dict(pixAcc=78.47, mIoU=37.99),
        backbone="resnet50-d_cosine-lbs-mixup-200e_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs_8xb128_in1k",
    ),
    dict(
        table="T9",
        row="+ distill w/ mixup",
        published=dict(pixAcc=78.72, mIoU=38.4),
        backbone="resnet50-d_cosine-lbs-distill-mixup-200e_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs-distill_8xb128_in1k",
    ),
]
# GluonCV scripts/segmentation/train.py: the new layers learn ten times as fast.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={"decode_head": dict(lr_mult=10), "auxiliary_head": dict(lr_mult=10)}
    )
)
default_hooks = dict(checkpoint=dict(save_best="mIoU"))
