"""ResNet-50-D, efficient, cosine decay, label smoothing, distillation and mixup.

Paper:     arXiv:1812.01187, table 1, row ResNet-50 + tricks; table 6, row ResNet-50-D, +
           distill w/ mixup
Published: top-1 79.29, top-5 94.63, 4.3 GFLOPs (T1); top-1 79.33 (+/- 0.07), top-5 94.66 (+/-
           0.03) (T6)
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50-d_cosine-lbs-distill-mixup-200e_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100) and the teacher, trained first:
           resnet152-d_cosine-lbs-mixup-200e_8xb32_in1k.py; for another one:
           --cfg-options model.distillation.teacher.checkpoint=FILE; memory and time unmeasured
Compare:   resnet50-d_cosine-lbs-distill_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast), smoothing by eps / (K - 1)
           (code: eps / K), loss weights 1 and 1 (code: 0.5 each)
Note:      table 6 of CVPR's version, which has means; arXiv's version has single runs
Also:      the only difference to resnet50-d_cosine-lbs-mixup-200e_8xb128_in1k.py is distillation
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet50.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/efficient_cosine.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(
        table="T1",
        row="ResNet-50 + tricks",
        published=dict(top1=79.29, top5=94.63, gflops=4.3),
        compare_to="resnet50_baseline_8xb32_in1k",
    ),
    dict(
        table="T6",
        row="ResNet-50-D, + distill w/ mixup",
        published=dict(top1=79.33, top5=94.66, top1_pm=0.07, top5_pm=0.03),
    ),
]
compare_to = "resnet50-d_cosine-lbs-distill_8xb128_in1k"
model = dict(
    backbone=dict(type="ResNetD", zero_init_residual=True),
    label_smoothing=dict(eps=0.1, form="paper"),
    mixup=dict(alpha=0.2, off_epochs=0),
    # Temperature: arXiv:1812.01187, sec. 5.3; the paper adds both losses without weights.
    distillation=dict(
        teacher=dict(
            checkpoint="work_dirs/resnet152-d_cosine-lbs-mixup-200e_8xb32_in1k/last_checkpoint"
        ),
        temperature=20.0,
        hard_weight=1.0,
        soft_weight=1.0,
    ),
)
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
train_cfg = dict(max_epochs=200)
