"""ResNet-50-D with cosine decay, label smoothing and mixup on Places365: the best row there.

Paper:     arXiv:1812.01187, table 7, row ResNet-50-D Best
Published: top-1 56.70, top-5 87.33, on its test split 57.63 and 87.82
Data:      DATA_ROOT/places365/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50-d_cosine-lbs-mixup-200e_8xb128_places365.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet50-d_efficient_8xb128_places365.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast), smoothing by eps / (K - 1)
           (code: eps / K)
Inferred:  the figures, and that Best has no teacher, are from memory, not read in the table;
           epochs and rates are those on ImageNet, since none are stated
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet50.py",
    "_base_/datasets/places365.py",
    "_base_/schedules/efficient_cosine.py",
    "../_base_/default_runtime.py",
]
rows = [
    dict(
        table="T7",
        row="ResNet-50-D Best",
        published=dict(top1=56.7, top5=87.33, test_top1=57.63, test_top5=87.82),
    ),
]
compare_to = "resnet50-d_efficient_8xb128_places365"
model = dict(
    backbone=dict(type="ResNetD", zero_init_residual=True),
    head=dict(num_classes=365),
    label_smoothing=dict(eps=0.1, form="paper"),
    mixup=dict(alpha=0.2, off_epochs=0),
)
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
train_cfg = dict(max_epochs=200)
