"""ResNet-50, the paper's efficient training: batch 1024, FP16, warm-up, zero gamma, no bias decay.

Paper:     arXiv:1812.01187, table 3, row ResNet-50, efficient; table 4, row batch 1024, + FP16;
           table 5, row ResNet-50
Published: top-1 76.21, top-5 92.97, 4.4 minutes per epoch (T3); top-1 76.21, top-5 92.97 (T4);
           top-1 76.21, top-5 92.97, 3.8 GFLOPs, 25 M parameters (T5)
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50_efficient_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet50_warmup-zerogamma-nodecay_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
Note:      ResNet-50 is the original (A), whose 3.8 GFLOPs are those of table 5's first row
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet50.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/efficient.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(
        table="T3",
        row="ResNet-50, efficient",
        published=dict(top1=76.21, top5=92.97, minutes_per_epoch=4.4),
        compare_to="resnet50_baseline_8xb32_in1k",
    ),
    dict(table="T4", row="batch 1024, + FP16", published=dict(top1=76.21, top5=92.97)),
    dict(
        table="T5",
        row="ResNet-50",
        published=dict(top1=76.21, top5=92.97, gflops=3.8, million_params=25),
        compare_to=None,
    ),
]
compare_to = "resnet50_warmup-zerogamma-nodecay_8xb128_in1k"
model = dict(backbone=dict(zero_init_residual=True))
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
