"""ResNet-50, batch 1024 with the rate that linear scaling gives, ImageNet.

Paper:     arXiv:1812.01187, table 4, row batch 1024, linear scaling
Published: top-1 75.17, top-5 92.54
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50_linear-scaling_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet50_baseline_8xb32_in1k.py
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
    dict(table="T4", row="batch 1024, linear scaling", published=dict(top1=75.17, top5=92.54)),
]
compare_to = "resnet50_baseline_8xb32_in1k"
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
