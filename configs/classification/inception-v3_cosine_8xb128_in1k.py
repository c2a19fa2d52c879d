"""Inception-V3 at 299 px, efficient, cosine decay.

Paper:     arXiv:1812.01187, table 6, row Inception-V3, + cosine decay
Published: top-1 78.19, top-5 94.06
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/inception-v3_cosine_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   inception-v3_efficient_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
Result:    unmeasured
"""

_base_ = [
    "_base_/models/inception-v3.py",
    "_base_/datasets/imagenet_299.py",
    "_base_/schedules/efficient_cosine.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(table="T6", row="Inception-V3, + cosine decay", published=dict(top1=78.19, top5=94.06)),
]
compare_to = "inception-v3_efficient_8xb128_in1k"
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
