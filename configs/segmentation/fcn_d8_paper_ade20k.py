"""Table 9: FCN at stride 8 on ADE20K, after GluonCV's code at the paper's time (gluon-cv 3473b1a2).

Paper:     arXiv:1812.01187, sec. 6.2, table 9; the text that we read does not state crop, schedule
           or test: they are those of GluonCV's fcn_resnet50_ade, on the paper's backbones
Data:      DATA_ROOT/ade20k/{images,annotations}/{training,validation}
Command:   python tools/train.py configs/segmentation/fcn_d8_paper_ade20k.py --backbone FILE
           on 4 GPUs: torchrun --nproc_per_node=4 tools/train.py ... --launcher pytorch;
           on one: --cfg-options train_dataloader.batch_size=16
Needs:     4 GPUs with 4 images each (memory and time unmeasured); --dry-run estimates the time
Split:     the truth of its test split is not public: the validation split is tested, so nothing
           is chosen on it; the last checkpoint is the result
Test:      the whole image at its own size, once (as GluonCV's newest test.py); --tta does what its
           test.py did at that time: six scales of the long side, flip, windows of 480 every 320
Reading:   520 is the short side (in 3473b1a2; in 2023 the long one); lr 0.01 and aux weight 0.5 as
           command and script state them, although GluonCV sums the gradients of 4 GPUs and divides
           by 16, and MXNet's SoftmaxOutput ignores the weight (read in the code, not run)
Differs:   --tta averages softmax over views (GluonCV: sums of exp(logits of image + flip)); OpenCV
           resizes its images (GluonCV: with aligned corners, as both do with logits); the rate is 0
           at the last batch (GluonCV: one batch later); a new rate acts on the whole step at once
           (MXNet's momentum holds gradients that were multiplied by earlier rates)
Result:    unmeasured
"""

_base_ = [
    "_base_/models/fcn_gluon_r50-d8.py",
    "_base_/datasets/ade20k_gluon.py",
    "_base_/schedules/poly_120e.py",
    "../_base_/default_runtime.py",
]
# The rows of the paper's table share this config; each takes the backbone of another leaf of
# configs/classification/.
rows = [
    dict(
        table="T9",
        row="B-standard",
        published=dict(top1=76.14, pixAcc=78.08, mIoU=37.05),
        backbone="resnet50-b_baseline_8xb32_in1k",
        compare_to=None,
    ),
    dict(
        table="T9",
        row="D-efficient",
        published=dict(top1=77.16, pixAcc=78.88, mIoU=38.88),
        backbone="resnet50-d_efficient_8xb128_in1k",
        compare_to="resnet50-b_baseline_8xb32_in1k",
    ),
    dict(
        table="T9",
        row="+ cosine",
        published=dict(top1=77.91, pixAcc=79.25, mIoU=39.33),
        backbone="resnet50-d_cosine_8xb128_in1k",
        compare_to="resnet50-d_efficient_8xb128_in1k",
    ),
    dict(
        table="T9",
        row="+ smooth",
        published=dict(top1=78.34, pixAcc=78.64, mIoU=38.75),
        backbone="resnet50-d_cosine-lbs_8xb128_in1k",
        compare_to="resnet50-d_cosine_8xb128_in1k",
    ),
    dict(
        table="T9",
        row="+ distill w/o mixup",
        published=dict(top1=78.67, pixAcc=78.97, mIoU=38.9),
        backbone="resnet50-d_cosine-lbs-distill_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs_8xb128_in1k",
    ),
    dict(
        table="T9",
        row="+ mixup w/o distill",
        published=dict(top1=79.16, pixAcc=78.47, mIoU=37.99),
        backbone="resnet50-d_cosine-lbs-mixup-200e_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs_8xb128_in1k",
    ),
    dict(
        table="T9",
        row="+ distill w/ mixup",
        published=dict(top1=79.29, pixAcc=78.72, mIoU=38.4),
        backbone="resnet50-d_cosine-lbs-distill-mixup-200e_8xb128_in1k",
        compare_to="resnet50-d_cosine-lbs-distill_8xb128_in1k",
    ),
]
# GluonCV scripts/segmentation/train.py: the rate of the new layers is ten times as high.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={"decode_head": dict(lr_mult=10), "auxiliary_head": dict(lr_mult=10)}
    )
)
default_hooks = dict(checkpoint=dict(save_best=None))
