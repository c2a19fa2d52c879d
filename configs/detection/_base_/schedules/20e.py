"""GluonCV's schedule for VOC: 20 epochs at batch 4, lr 0.001 divided by 10 after epoch 14.

Source: scripts/detection/faster_rcnn/train_faster_rcnn.py at commit 3473b1a2; its second drop, at
epoch 20, comes after the end.  It clips each entry of the gradient, not its norm; newer versions
do not clip.  It has no warm-up for VOC, but the paper has one: see the leaf.
"""

train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=20, val_interval=5)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

param_scheduler = [
    # Detectron's defaults: at iteration i, counted from 0, 1/3 (1 - i/500) + i/500 times lr; the
    # first of 501 steps is the factor 1/3, the last is lr itself.
    dict(type="LinearLR", start_factor=1 / 3, by_epoch=False, begin=0, end=501),
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=20, milestones=[14], gamma=0.1),
]
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.001, momentum=0.9, weight_decay=5e-4),
    clip_grad=dict(type="value", clip_value=5),
)
auto_scale_lr = dict(enable=True, base_batch_size=4)
