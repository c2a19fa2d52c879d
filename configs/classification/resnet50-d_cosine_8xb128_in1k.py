"""ResNet-50-D, efficient, cosine decay.

Paper:     arXiv:1812.01187, table 6, row ResNet-50-D, + cosine decay
Published: top-1 77.73 (+/- 0.13), top-5 93.82 (+/- 0.08)
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50-d_cosine_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet50-d_efficient_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
Note:      table 6 of CVPR's version, which has means; arXiv's version has single runs
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet50.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/efficient_cosine.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(
        table="T6",
        row="ResNet-50-D, + cosine decay",
        published=dict(top1=77.73, top5=93.82, top1_pm=0.13, top5_pm=0.08),
    ),
]
compare_to = "resnet50-d_efficient_8xb128_in1k"
model = dict(
    backbone=dict(type="ResNetD", zero_init_residual=True),
)
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
