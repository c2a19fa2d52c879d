"""ResNet-50-D, the paper's efficient training, on Places365.

Paper:     arXiv:1812.01187, table 7, row ResNet-50-D Efficient
Published: top-1 56.34, top-5 86.87, on its test split 57.18 and 87.28
Data:      DATA_ROOT/places365/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50-d_efficient_8xb128_places365.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet50-d_efficient_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
Inferred:  the figures are from memory, not read in the table; epochs and rates are those on
           ImageNet, since none are stated
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet50.py",
    "_base_/datasets/places365.py",
    "_base_/schedules/efficient.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(
        table="T7",
        row="ResNet-50-D Efficient",
        published=dict(top1=56.34, top5=86.87, test_top1=57.18, test_top5=87.28),
    ),
]
compare_to = "resnet50-d_efficient_8xb128_in1k"
model = dict(
    backbone=dict(type="ResNetD", zero_init_residual=True),
    head=dict(num_classes=365),
)
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
