"""For hundreds to a few thousand images: one epoch of warm-up, cosine decay over 24.

The 500 iterations of warm-up in 1x.py could be longer than a whole training.  The cosine is
that of arXiv:1812.01187, sec. 5.1, the warm-up that of sec. 3.1; lr is mmdet's for VOC.
"""

num_epochs = 24
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=num_epochs, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

# begin and end are epochs; the rate changes at every batch.  Without end: until the last epoch.
param_scheduler = [
    dict(type="GradualWarmup", begin=0, end=1, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", begin=1, convert_to_iter_based=True),
]
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=1e-4),
)
auto_scale_lr = dict(enable=True, base_batch_size=16)
