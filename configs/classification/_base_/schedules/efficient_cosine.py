"""The paper's efficient training with cosine decay: 120 epochs, 5 of them warm-up, FP16.

arXiv:1812.01187, sec. 3 (warm-up, no bias decay, low precision) and 5.1 (cosine); momentum and
weight decay from the logs of its code (GluonCV).  A leaf sets its batch of 1024, from
which lr 0.4 follows, and zero gamma.
"""

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
amp = "fp16"  # on a CPU: --amp bf16 or --amp off
auto_scale_lr = dict(enable=True, base_batch_size=256)

# begin and end are epochs; the rate changes at every batch.  Without end: until the last epoch.
param_scheduler = [
    dict(type="GradualWarmup", begin=0, end=5, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", begin=5, convert_to_iter_based=True),
]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=120, val_interval=1)
val_cfg = dict(type="ValLoop")
