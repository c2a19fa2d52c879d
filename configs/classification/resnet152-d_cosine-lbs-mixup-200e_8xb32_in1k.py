"""ResNet-152-D with cosine decay, label smoothing and mixup: the teacher of rows with mixup.

Paper:     arXiv:1812.01187, sec. 5.5: distillation with mixup has a teacher trained with mixup
Published: nothing in the paper; top-1 80.61, top-5 95.34 in the model zoo of its code
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet152-d_cosine-lbs-mixup-200e_8xb32_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet152-d_cosine-lbs_8xb64_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast), smoothing by eps / (K - 1)
           (code: eps / K)
Inferred:  the section is recalled, not quoted; decay, smoothing and FP32 as for the teacher
           without mixup; batch 256 with lr 0.1 and 200 epochs are in the command for
           resnet152_v1d with mixup of the paper's code
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet50.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/efficient_cosine.py",
    "../_base_/default_runtime.py",
]
compare_to = "resnet152-d_cosine-lbs_8xb64_in1k"
model = dict(
    backbone=dict(type="ResNetD", depth=152, zero_init_residual=True),
    label_smoothing=dict(eps=0.1, form="paper"),
    mixup=dict(alpha=0.2, off_epochs=0),
)
train_cfg = dict(max_epochs=200)
amp = "off"  # FP32
