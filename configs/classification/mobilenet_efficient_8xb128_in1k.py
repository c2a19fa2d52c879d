"""MobileNet 1.0, the paper's efficient training: batch 1024, FP16, ImageNet.

Paper:     arXiv:1812.01187, table 3, row MobileNet 1.0, efficient; table 6, row MobileNet 1.0,
           efficient
Published: top-1 71.90, top-5 90.47, 3.7 minutes per epoch (T3); top-1 71.90, top-5 90.53 (T6)
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/mobilenet_efficient_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   mobilenet_baseline_8xb32_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
Note:      without zero gamma, as it has no residual blocks
           the two tables differ in top-5: 90.47 and 90.53
Result:    unmeasured
"""

_base_ = [
    "_base_/models/mobilenet.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/efficient.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(
        table="T3",
        row="MobileNet 1.0, efficient",
        published=dict(top1=71.9, top5=90.47, minutes_per_epoch=3.7),
    ),
    dict(
        table="T6",
        row="MobileNet 1.0, efficient",
        published=dict(top1=71.9, top5=90.53),
        compare_to=None,
    ),
]
compare_to = "mobilenet_baseline_8xb32_in1k"
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
