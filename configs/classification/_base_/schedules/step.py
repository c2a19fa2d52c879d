"""The paper's baseline training: 120 epochs, lr / 10 at 30, 60 and 90, nothing else.

arXiv:1812.01187, sec. 2.1; momentum and weight decay from the logs of its code (GluonCV).
No warm-up, weight decay on every parameter, FP32.
"""

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
)
amp = "off"  # FP32
auto_scale_lr = dict(enable=True, base_batch_size=256)

param_scheduler = [
    dict(type="MultiStepLR", by_epoch=True, milestones=[30, 60, 90], gamma=0.1),
]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=120, val_interval=1)
val_cfg = dict(type="ValLoop")
