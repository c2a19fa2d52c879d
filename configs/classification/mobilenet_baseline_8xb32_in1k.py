"""MobileNet 1.0, the paper's baseline training: batch 256, FP32, step decay, ImageNet.

Paper:     arXiv:1812.01187, table 2, row MobileNet 1.0, baseline; table 3, row MobileNet 1.0,
           baseline
Published: top-1 69.03, top-5 88.71 (T2); top-1 69.03, top-5 88.71, 6.2 minutes per epoch (T3)
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/mobilenet_baseline_8xb32_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
Result:    unmeasured
"""

_base_ = [
    "_base_/models/mobilenet.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/step.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(table="T2", row="MobileNet 1.0, baseline", published=dict(top1=69.03, top5=88.71)),
    dict(
        table="T3",
        row="MobileNet 1.0, baseline",
        published=dict(top1=69.03, top5=88.71, minutes_per_epoch=6.2),
    ),
]
compare_to = None
