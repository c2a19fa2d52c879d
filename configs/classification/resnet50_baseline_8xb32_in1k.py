"""ResNet-50, the paper's baseline training: batch 256, FP32, step decay, no trick, ImageNet.

Paper:     arXiv:1812.01187, table 1, row ResNet-50; table 2, row ResNet-50, baseline; table 3,
           row ResNet-50, baseline; table 4, row batch 256, linear scaling
Published: top-1 75.3, top-5 92.2, 3.9 GFLOPs (T1); top-1 75.87, top-5 92.70 (T2); top-1 75.87,
           top-5 92.70, 13.3 minutes per epoch (T3); top-1 75.87, top-5 92.70 (T4)
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50_baseline_8xb32_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
Note:      ResNet-50 is the original (A), whose 3.8 GFLOPs are those of table 5's first row
           table 1 quotes another paper's training; table 2 is the authors' own
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet50.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/step.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(table="T1", row="ResNet-50", published=dict(top1=75.3, top5=92.2, gflops=3.9)),
    dict(table="T2", row="ResNet-50, baseline", published=dict(top1=75.87, top5=92.7)),
    dict(
        table="T3",
        row="ResNet-50, baseline",
        published=dict(top1=75.87, top5=92.7, minutes_per_epoch=13.3),
    ),
    dict(table="T4", row="batch 256, linear scaling", published=dict(top1=75.87, top5=92.7)),
]
compare_to = None
