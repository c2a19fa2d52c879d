"""MobileNet 1.0, efficient, cosine decay and label smoothing.

Paper:     arXiv:1812.01187, table 6, row MobileNet 1.0, + label smoothing
Published: top-1 72.93, top-5 91.14
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/mobilenet_cosine-lbs_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   mobilenet_cosine_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast), smoothing by eps / (K - 1)
           (code: eps / K)
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
        table="T6", row="MobileNet 1.0, + label smoothing", published=dict(top1=72.93, top5=91.14)
    ),
]
compare_to = "mobilenet_cosine_8xb128_in1k"
model = dict(
    label_smoothing=dict(eps=0.1, form="paper"),
)
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
