"""Inception-V3 at 299 px, the paper's efficient training: batch 1024, FP16, ImageNet.

Paper:     arXiv:1812.01187, table 3, row Inception-V3, efficient; table 6, row Inception-V3,
           efficient
Published: top-1 77.50, top-5 93.60, 8 minutes per epoch (T3); top-1 77.50, top-5 93.60 (T6)
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/inception-v3_efficient_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   inception-v3_baseline_8xb32_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
Note:      without zero gamma, as it has no residual blocks
Result:    unmeasured
"""

_base_ = [
    "_base_/models/inception-v3.py",
    "_base_/datasets/imagenet_299.py",
    "_base_/schedules/efficient.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(
        table="T3",
        row="Inception-V3, efficient",
        published=dict(top1=77.5, top5=93.6, minutes_per_epoch=8),
    ),
    dict(
        table="T6",
        row="Inception-V3, efficient",
        published=dict(top1=77.5, top5=93.6),
        compare_to=None,
    ),
]
compare_to = "inception-v3_baseline_8xb32_in1k"
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
