"""Small photographs in DATA_ROOT/caltech/{train,val}/<class>/, at 48 px.

The paper's input pipeline (arXiv:1812.01187, sec. 2.1) except for the sizes and the smallest crop.
"""

train_pipeline = [
    # The paper's 8 % would leave about 20 x 20 of 96 x 70 pixels.
    dict(type="RandomResizedCrop", size=48, scale=(0.3, 1.0), ratio=(3 / 4, 4 / 3)),
    dict(type="torchvision/RandomHorizontalFlip", p=0.5),
    dict(type="HSVScale", low=0.6, high=1.4),
    dict(type="PCANoise", std=0.1),
    dict(type="torchvision/PILToTensor"),
]
val_pipeline = [
    dict(type="torchvision/Resize", size=56),
    dict(type="torchvision/CenterCrop", size=48),
    dict(type="torchvision/PILToTensor"),
]

# Of two cores, one loads and one computes: each is about half of the work.
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    drop_last=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="ImageFolder",
        root="{{$DATA_ROOT:data}}/caltech/train",
        max_unreadable=10,
        keep_mb=256,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="ImageFolder",
        root="{{$DATA_ROOT:data}}/caltech/val",
        classes_from="{{$DATA_ROOT:data}}/caltech/train",
        max_unreadable=10,
        keep_mb=256,
        pipeline=val_pipeline,
    ),
)
val_evaluator = dict(type="TopK")
