"""Faster R-CNN, stage 4 on each region (C4), Pascal VOC 2007 + 2012: the recipe of table 8.

Paper:     arXiv:1812.01187, sec. 6.1, table 8 (mAP 77.54 to 81.33)
Data:      DATA_ROOT/voc/VOCdevkit/{VOC2007,VOC2012}
Command:   python tools/train.py configs/detection/faster-rcnn_c4_paper_voc.py --backbone FILE
Needs:     1 GPU with 24 GB or more (an estimate), or 4 with train_dataloader.batch_size=1;
           time unmeasured
Split:     as published: both trainvals train (16,551 images), VOC 2007 test is validation and
           test.  Therefore nothing is chosen by it: the last checkpoint is the result.  GluonCV
           published its best epoch (78.31; its last had 77.66).
Result:    unmeasured

The paper gives no numbers for its detector; the values are those of its authors' code.
Verified:  in GluonCV at commit 3473b1a2 (3 December 2018): model, data, 20 epochs, lr, batch,
           gradient clip; the bases name the files.  In Detectron (core/config.py,
           utils/lr_policy.py): a linear warm-up of 500 iterations from a third of lr.
Recalled:  the paper uses refinements of Detectron, linear warm-up and a long schedule.
Inferred:  the warm-up is Detectron's default, although GluonCV has none for VOC: the paper
           decides.  The long schedule is GluonCV's 20 epochs (82,760 iterations).
Differs:   in anchor sides (see the model); images on the same GPU are padded to one size and
           grouped by aspect ratio; a new rate acts on the whole step at once (MXNet's momentum
           holds gradients that were multiplied by earlier rates).
"""

_base_ = [
    "_base_/models/faster-rcnn_c4.py",
    "_base_/datasets/voc0712_published.py",
    "_base_/schedules/20e.py",
    "../_base_/default_runtime.py",
]
# The rows of the paper's table share this config; each takes the backbone of another leaf of
# configs/classification/.
rows = [
    dict(
        table="T8",
        row="B-standard",
        published=dict(top1=76.14, mAP_voc07=77.54),
        backbone="resnet50-b_baseline_8xb32_in1k",
        compare_to=None,
    ),
    dict(
        table="T8",
        row="D-efficient",
        published=dict(top1=77.16, mAP_voc07=78.3),
        backbone="resnet50-d_efficient_8xb128_in1k",
        compare_to="resnet50-b_baseline_8xb32_in1k",
    ),
    dict(
        table="T8",
        row="+ cosine",
        published=dict(top1=77.91, mAP_voc07=79.23),
        backbone="resnet50-d_cosine_8xb128_in1k",
        compare_to="resnet50-d_efficient_8xb128_in1k",
    ),
    dict(
        table="T8",
        row="+ smooth",
        published=dict(top1=78.34, mAP_voc07=80.71),
        backbone="resnet50-d_cosine-lbs_8xb128_in1k",
        compare_to="resnet50-d_cosine_8xb128_in1k",
    ),
    dict(
        table="T8",
        row="+ distill w/o mixup",
        published=dict(top1=78.67, mAP_voc07=80.96),
        backbone="resnet50-d_cosine-lbs-distill_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs_8xb128_in1k",
    ),
    dict(
        table="T8",
        row="+ mixup w/o distill",
        published=dict(top1=79.16, mAP_voc07=81.1),
        backbone="resnet50-d_cosine-lbs-mixup-200e_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs_8xb128_in1k",
    ),
    dict(
        table="T8",
        row="+ distill w/ mixup",
        published=dict(top1=79.29, mAP_voc07=81.33),
        backbone="resnet50-d_cosine-lbs-distill-mixup-200e_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs-distill_8xb128_in1k",
    ),
]
train_dataloader = dict(batch_size=4)
default_hooks = dict(checkpoint=dict(save_best=None))
