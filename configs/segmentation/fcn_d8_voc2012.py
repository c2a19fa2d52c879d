"""FCN at stride 8 on PASCAL VOC 2012's masks, 20 classes and background.

Paper:     arXiv:1812.01187, sec. 6.2 (ADE20K there)
Data:      DATA_ROOT/voc/VOCdevkit/VOC2012/{JPEGImages,SegmentationClass,ImageSets/Segmentation}
Command:   python tools/train.py configs/segmentation/fcn_d8_voc-masks.py --backbone FILE
Needs:     a GPU with 24 GB (an estimate: unmeasured); --dry-run estimates the time
Split:     the truth of its test split is not public: the validation split is tested
Result:    unmeasured
"""

_base_ = [
    "_base_/models/fcn_r50-d8.py",
    "_base_/datasets/voc_masks.py",
    "_base_/schedules/poly_120e.py",
    "../_base_/default_runtime.py",
]
voc = dict(data_root="{{$DATA_ROOT:data}}/voc/VOCdevkit/VOC2012", classes="voc")
train_dataloader = dict(dataset=voc)
val_dataloader = dict(dataset=voc)
test_dataloader = dict(dataset=dict(split="ImageSets/Segmentation/val.txt", **voc))
default_hooks = dict(checkpoint=dict(save_best="mIoU"))
