"""MobileNet 1.0, efficient, cosine decay, label smoothing, distillation and mixup.

Paper:     arXiv:1812.01187, table 6, row MobileNet 1.0, + distill w/ mixup
Published: top-1 72.51, top-5 91.02
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/mobilenet_cosine-lbs-distill-mixup-200e_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100) and the teacher, trained first:
           resnet152-d_cosine-lbs-mixup-200e_8xb32_in1k.py; for another one:
           --cfg-options model.distillation.teacher.checkpoint=FILE; memory and time unmeasured
Compare:   mobilenet_cosine-lbs-distill_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast), smoothing by eps / (K - 1)
           (code: eps / K), loss weights 1 and 1 (code: 0.5 each)
Also:      the only difference to mobilenet_cosine-lbs-mixup-200e_8xb128_in1k.py is distillation
Result:    unmeasured
"""

_base_ = [
    "_base_/models/mobilenet.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/efficient_cosine.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(
        table="T6", row="MobileNet 1.0, + distill w/ mixup", published=dict(top1=72.51, top5=91.02)
    ),
]
compare_to = "mobilenet_cosine-lbs-distill_8xb128_in1k"
model = dict(
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
