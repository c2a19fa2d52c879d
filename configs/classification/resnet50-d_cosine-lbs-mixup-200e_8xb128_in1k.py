"""ResNet-50-D, efficient, cosine decay, label smoothing and mixup, 200 epochs.

Paper:     arXiv:1812.01187, table 6, row ResNet-50-D, + mixup w/o distill
Published: top-1 79.01 (+/- 0.09), top-5 94.57 (+/- 0.02)
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50-d_cosine-lbs-mixup-200e_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet50-d_cosine-lbs_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast), smoothing by eps / (K - 1)
           (code: eps / K)
Note:      table 6 of CVPR's version, which has means; arXiv's version has single runs
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
        table="T6",
        row="ResNet-50-D, + mixup w/o distill",
        published=dict(top1=79.01, top5=94.57, top1_pm=0.09, top5_pm=0.02),
    ),
]
compare_to = "resnet50-d_cosine-lbs_8xb128_in1k"
model = dict(
    backbone=dict(type="ResNetD", zero_init_residual=True),
    label_smoothing=dict(eps=0.1, form="paper"),
    mixup=dict(alpha=0.2, off_epochs=0),
)
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
train_cfg = dict(max_epochs=200)
