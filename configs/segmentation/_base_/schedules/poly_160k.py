"""160k batches of SGD; the rate falls as (1 - t / T) ** 0.9 to 1e-4: mmseg's schedule_160k.py."""

max_iters = 160_000
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4),
)
auto_scale_lr = dict(enable=True, base_batch_size=16)

param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=1e-4, begin=0, end=max_iters, by_epoch=False)
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=max_iters // 10)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
