"""A segmenter of two classes and the background, small enough to be kept."""

_base_ = "../../../../configs/segmentation/fcn_d8_tiny.py"
custom_imports = dict(imports=["backbones", "segmentation", "segmentation.heads"])

model = dict(
    data_preprocessor=dict(size=(48, 48)),
    backbone=dict(stem_channels=4, base_channels=2),
    decode_head=dict(in_channels=16, channels=4),
    auxiliary_head=dict(in_channels=8, channels=4),
)
train_pipeline = [
    dict(type="ReadImage"),
    dict(type="ReadMask"),
    dict(type="RandomCrop", crop_size=(48, 48)),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(indices=4, pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(indices=2))
test_dataloader = dict(dataset=dict(indices=2))
optim_wrapper = dict(optimizer=dict(lr=0.8))
train_cfg = dict(max_epochs=40, val_interval=40)
default_hooks = dict(checkpoint=dict(interval=40, max_keep_ckpts=1, save_optimizer=False))
