"""Your own masks on a CPU, in minutes: FCN at stride 8 on a slim ResNet-18-D, crops of 96 px.

Paper:     arXiv:1812.01187, sec. 6.2 (ResNet-50-D on ADE20K)
Data:      DATA_ROOT/own-masks, see fcn_d8_own-masks.py
Command:   python tools/train.py configs/segmentation/fcn_d8_r18-slim_own-masks.py --backbone FILE
Needs:     2 CPU cores; --dry-run estimates the time
Result:    unmeasured
"""

_base_ = [
    "_base_/models/fcn_r18-d8_slim.py",
    "_base_/datasets/voc_masks.py",
    "_base_/schedules/poly_120e.py",
    "../_base_/default_runtime.py",
]
data_root = "{{$DATA_ROOT:data}}/own-masks"
image_size = 96
batch_size = 8
epochs = 30
lr = 0.1  # that of fcn_d8_photographs.py
# Of two cores, one loads and one computes.
train_dataloader = dict(num_workers=1)
val_dataloader = dict(num_workers=1)
test_dataloader = dict(num_workers=1)
default_hooks = dict(checkpoint=dict(save_best="mIoU"))
