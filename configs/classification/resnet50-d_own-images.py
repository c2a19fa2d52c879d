"""Your own images: ResNet-50-D with the paper's recipe, classes read from the folders.

Paper:     arXiv:1812.01187, table 6, row mixup without distillation (on ImageNet)
Data:      DATA_ROOT/own-images/{train,val}/<class name>/<any name>.jpg
Command:   python tools/train_cls.py configs/classification/resnet50-d_own-images.py
Needs:     a GPU with 8 GB or more (an estimate: unmeasured); --dry-run estimates the time
Result:    unmeasured
"""

_base_ = [
    "_base_/models/resnet-d.py",
    "_base_/datasets/image_folder.py",
    "_base_/schedules/cosine.py",
    "../_base_/default_runtime.py",
]
own_images = "{{$DATA_ROOT:data}}/own-images"
train_dataloader = dict(dataset=dict(root=f"{own_images}/train"))
val_dataloader = dict(dataset=dict(root=f"{own_images}/val", classes_from=f"{own_images}/train"))
model = dict(
    backbone=dict(zero_init_residual=True),
    label_smoothing=dict(eps=0.1, form="paper"),
    mixup=dict(alpha=0.2, off_epochs=0),
)
