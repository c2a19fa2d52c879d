"""ImageNet in DATA_ROOT/imagenet/{train,val}/<class>/, the paper's input pipeline at 299 px.

Pipelines: arXiv:1812.01187, sec. 2.1.  Batch: 32 on each of 8 GPUs is the paper's 256.
Resizing: bilinear, averaging when it shrinks: by Pillow, in training by torch, which agrees with it
within a level.  The paper names no filter; that of its code (MXNet's record iterator: OpenCV's
bilinear) does not average.
"""

train_pipeline = [
    dict(type="RandomResizedCrop", size=299, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
    dict(type="torchvision/RandomHorizontalFlip", p=0.5),
    dict(type="HSVScale", low=0.6, high=1.4),
    dict(type="PCANoise", std=0.1),
    dict(type="torchvision/PILToTensor"),
]
val_pipeline = [
    dict(type="torchvision/Resize", size=342),  # 299 / 0.875, rounded up, as 224 / 0.875 is 256
    dict(type="torchvision/CenterCrop", size=299),
    dict(type="torchvision/PILToTensor"),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    drop_last=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="ImageFolder",
        root="{{$DATA_ROOT:data}}/imagenet/train",
        max_unreadable=10,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="ImageFolder",
        root="{{$DATA_ROOT:data}}/imagenet/val",
        classes_from="{{$DATA_ROOT:data}}/imagenet/train",
        max_unreadable=10,
        pipeline=val_pipeline,
    ),
)
# Without a test set the tools test on the validation set.
val_evaluator = dict(type="TopK")
