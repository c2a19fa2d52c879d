"""Your own masks: FCN at stride 8, classes read from the data.

Paper:     arXiv:1812.01187, sec. 6.2 (on ADE20K)
Data:      DATA_ROOT/own-masks/JPEGImages/NAME.jpg (or .png), SegmentationClass/NAME.png whose
           pixels are 0, 1, 2, ... (255: unknown), ImageSets/Segmentation/{train,val,test}.txt
           with one NAME per line, and optionally classes.txt with the names of 0, 1, 2, ...
           Other numbers: ignore_index, reduce_zero_label, label_map, see docs/images.md
Command:   python tools/train.py configs/segmentation/fcn_d8_own-masks.py --backbone FILE
Needs:     a GPU with 24 GB (an estimate: unmeasured); --dry-run estimates the time
Result:    unmeasured
"""

_base_ = [
    "_base_/models/fcn_r50-d8.py",
    "_base_/datasets/voc_masks.py",
    "_base_/schedules/poly_120e.py",
    "../_base_/default_runtime.py",
]
# The size of the crop in _base_/datasets/voc_masks.py.
model = dict(data_preprocessor=dict(size=(480, 480)))
own = dict(data_root="{{$DATA_ROOT:data}}/own-masks")
train_dataloader = dict(dataset=own)
val_dataloader = dict(dataset=own)
test_dataloader = dict(dataset=own)
default_hooks = dict(checkpoint=dict(save_best="mIoU"))
