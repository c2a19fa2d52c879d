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
# GluonCV scripts/segmentation/train.py: the new layers learn ten times as fast.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={"decode_head": dict(lr_mult=10), "auxiliary_head": dict(lr_mult=10)}
    )
)
default_hooks = dict(checkpoint=dict(save_best="mIoU"))
