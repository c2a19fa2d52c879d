"""ResNet-50-B, the paper's baseline training: the backbone called B-standard, ImageNet.

Paper:     arXiv:1812.01187, tables 8 and 9, the base network of row B-standard
Published: top-1 76.14, in tables 8 and 9
Data:      DATA_ROOT/imagenet/{train,val}/<class>/<any name>.jpg
Command:   torchrun --nproc_per_node=8 tools/train_cls.py --launcher pytorch
           configs/classification/resnet50-b_baseline_8xb32_in1k.py
           on one GPU: use python instead of torchrun, without --launcher, and add
           --cfg-options optim_wrapper.accumulative_counts=8
Needs:     8 GPUs (the paper's: V100); memory and time unmeasured
Compare:   resnet50_baseline_8xb32_in1k.py
Follows:   the paper where its code (GluonCV) differs, since the row is the paper's: Xavier
           initialisation (code: MSRA), hue jitter (code: contrast)
Inferred:  the paper does not say how B-standard was trained; this is the baseline of table 2:
           batch 256, FP32, lr 0.1, step 30/60/90 of 120, no warm-up, gamma 1, decay on all
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet50.py",
    "_base_/datasets/imagenet.py",
    "_base_/schedules/step.py",
    "../_base_/default_runtime.py",
]
compare_to = "resnet50_baseline_8xb32_in1k"
model = dict(backbone=dict(type="ResNetB"))
