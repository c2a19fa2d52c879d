"""ResNet-50-C, the paper's efficient training: batch 1024, FP16, ImageNet.

Paper:     arXiv:1812.01187, table 5, row ResNet-50-C
Published: top-1 76.87, top-5 93.48, 4.3 GFLOPs, 25 M parameters
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50-c_efficient_8xb128_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet50-b_efficient_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
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
        table="T5",
        row="ResNet-50-C",
        published=dict(top1=76.87, top5=93.48, gflops=4.3, million_params=25),
    ),
]
compare_to = "resnet50-b_efficient_8xb128_in1k"
model = dict(backbone=dict(type="ResNetC", zero_init_residual=True))
train_dataloader = dict(batch_size=128)  # on each of 8 GPUs: lr 0.4 = 0.1 x 1024 / 256
