"""ResNet-50, batch 1024 with warm-up, zero gamma, FP32, ImageNet.

Paper:     arXiv:1812.01187, table 4, row batch 1024, + zero gamma
Published: top-1 76.37, top-5 92.96
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50_warmup-zerogamma_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet50_warmup_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
Note:      ResNet-50 is the original (A), whose 3.8 GFLOPs are those of table 5's first row
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet50.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/step.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(table="T4", row="batch 1024, + zero gamma", published=dict(top1=76.37, top5=92.96)),
]
compare_to = "resnet50_warmup_8xb128_in1k"
model = dict(backbone=dict(zero_init_residual=True))
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
param_scheduler = [
    dict(type="GradualWarmup", begin=0, end=5, convert_to_iter_based=True),
    dict(type="MultiStepLR", by_epoch=True, milestones=[30, 60, 90], gamma=0.1),
]
