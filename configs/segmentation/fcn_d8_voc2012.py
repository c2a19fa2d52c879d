"""FCN at stride 8 on PASCAL VOC 2012's own 1,464 masks, after mmseg's 4xb4-20k_voc12aug-512x512.

mmseg's recipe, because GluonCV publishes none for ResNet-50 on VOC (its FCN has a ResNet-101 and is
evaluated by the test server); 20k batches, the shorter of mmseg's two, are 219 epochs here.

Paper:     arXiv:1812.01187, sec. 6.2 (on ADE20K)
Data:      DATA_ROOT/voc/VOCdevkit/VOC2012/{JPEGImages,SegmentationClass,ImageSets/Segmentation}
Command:   python tools/train.py configs/segmentation/fcn_d8_voc2012.py --backbone FILE
           on 4 GPUs: torchrun --nproc_per_node=4 tools/train.py ... --launcher pytorch;
           on one: --cfg-options train_dataloader.batch_size=16
Needs:     4 GPUs with 4 images each (memory and time unmeasured); --dry-run estimates the time
Split:     the truth of its test split is not public: the validation split is tested, so nothing
           is chosen on it; the last checkpoint is the result
Test:      short side 512, whole image, once; --tta: six scales and flip
Differs:   from mmseg's recipe as tests/segmentation/test_upstream_recipes_seg.py lists; mmseg
           trains on SBD's masks, too (10,582 images), and publishes mIoU 67.08 with ResNet-50-C
Result:    unmeasured
"""

_base_ = [
    "_base_/models/fcn_r50-d8.py",
    "_base_/datasets/voc2012_mmseg.py",
    "_base_/schedules/poly_20k.py",
    "../_base_/default_runtime.py",
]
# Nothing is chosen on the split that is tested; mmseg's hooks count batches.
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=2_000, save_best=None),
)
log_processor = dict(by_epoch=False)
