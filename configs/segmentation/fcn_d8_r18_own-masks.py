"""Your own masks on a small GPU: FCN at stride 8 on ResNet-18-D, crops of 320 px.

Paper:     arXiv:1812.01187, sec. 6.2 (ResNet-50-D on ADE20K)
Data:      DATA_ROOT/own-masks, see fcn_d8_own-masks.py
Command:   python tools/train.py configs/segmentation/fcn_d8_r18_own-masks.py --backbone FILE
Needs:     a GPU with 6 GB or more (an estimate: unmeasured); --dry-run estimates the time
Result:    unmeasured
"""

_base_ = ["fcn_d8_own-masks.py"]
model = dict(
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=128),
    auxiliary_head=dict(in_channels=256, channels=64),
)
image_size = 320
batch_size = 8
