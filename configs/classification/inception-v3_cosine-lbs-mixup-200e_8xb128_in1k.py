"""Inception-V3 at 299 px, efficient, cosine decay, label smoothing and mixup, 200 epochs.

Paper:     arXiv:1812.01187, table 6, row Inception-V3, + mixup w/o distill
Published: top-1 78.77, top-5 94.39
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/inception-v3_cosine-lbs-mixup-200e_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   inception-v3_cosine-lbs_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast), smoothing by eps / (K - 1)
           (code: eps / K)
Result:    unmeasured
"""

_base_ = [
    "_base_/models/inception-v3.py",
    "_base_/datasets/imagenet_299.py",
    "_base_/schedules/efficient_cosine.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(
        table="T6", row="Inception-V3, + mixup w/o distill", published=dict(top1=78.77, top5=94.39)
    ),
]
compare_to = "inception-v3_cosine-lbs_8xb128_in1k"
model = dict(
    label_smoothing=dict(eps=0.1, form="paper"),
    mixup=dict(alpha=0.2, off_epochs=0),
)
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
train_cfg = dict(max_epochs=200)
