"""120 epochs of SGD; the rate falls as (1 - t / T) ** 0.9 to 0 at every batch, no warm-up.

GluonCV scripts/segmentation/train.py and the command of its fcn_resnet50_ade.
"""

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=1e-4),
)
auto_scale_lr = dict(enable=True, base_batch_size=16)

# begin is an epoch; the rate changes at every batch.  Without end: until the last epoch.
param_scheduler = [dict(type="PolyLR", power=0.9, eta_min=0.0, convert_to_iter_based=True)]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=120, val_interval=10)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
