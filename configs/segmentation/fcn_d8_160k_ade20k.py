"""FCN at stride 8 on ADE20K, mmseg's recipe: fcn_r50-d8_4xb4-160k_ade20k-512x512 with our backbone.

Paper:     arXiv:1812.01187, sec. 6.2 (with another recipe: see fcn_d8_paper_ade20k.py)
Data:      DATA_ROOT/ade20k/{images,annotations}/{training,validation}
Command:   python tools/train.py configs/segmentation/fcn_d8_160k_ade20k.py --backbone FILE
           on 4 GPUs: torchrun --nproc_per_node=4 tools/train.py ... --launcher pytorch;
           on one: --cfg-options train_dataloader.batch_size=16
Needs:     4 GPUs with 4 images each (memory and time unmeasured); --dry-run estimates the time
Split:     the truth of its test split is not public: the validation split is tested, so nothing
           is chosen on it; the last checkpoint is the result
Test:      short side 512, whole image, once; --tta: six scales and flip
Differs:   from mmseg's recipe as tests/segmentation/test_upstream_recipes_seg.py lists
Compare:   mmseg publishes mIoU 36.10 (--tta 38.08) for its recipe with ResNet-50-C
Result:    unmeasured
"""

_base_ = [
    "_base_/models/fcn_r50-d8.py",
    "_base_/datasets/ade20k_mmseg.py",
    "_base_/schedules/poly_160k.py",
    "../_base_/default_runtime.py",
]
# Nothing is chosen on the split that is tested; mmseg's hooks count batches.
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=16_000, save_best=None),
)
log_processor = dict(by_epoch=False)
