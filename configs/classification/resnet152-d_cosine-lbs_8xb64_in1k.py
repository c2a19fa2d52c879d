"""ResNet-152-D with cosine decay and label smoothing: the teacher of the distilled rows.

Paper:     arXiv:1812.01187, sec. 5.3, the teacher
Published: nothing in the paper; top-1 80.26, top-5 95.00 in the model zoo of its code
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet152-d_cosine-lbs_8xb64_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet50-d_cosine-lbs_8xb128_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast), smoothing by eps / (K - 1)
           (code: eps / K)
Inferred:  the paper states its decay and its smoothing; batch 512, lr 0.2 and FP32 are in the
           command for resnet152_v1d of the paper's code
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet50.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/efficient_cosine.py",
    "../_base_/default_runtime.py",
]
compare_to = "resnet50-d_cosine-lbs_8xb128_in1k"
model = dict(
    backbone=dict(type="ResNetD", depth=152, zero_init_residual=True),
    label_smoothing=dict(eps=0.1, form="paper"),
)
train_dataloader = dict(batch_size=64)  # on each of 8 GPUs: lr 0.2 = 0.1 x 512 / 256
amp = "off"  # FP32
