"""MobileNet 1.0 (version 1, full width) of timm, Xavier.

Network: arXiv:1704.04861, with ReLU as its activation (timm's default is ReLU6); initialisation:
arXiv:1812.01187, sec. 2.1.  It has no residual blocks, so no last gamma could start at 0.
"""

default_scope = "mmengine"
custom_imports = dict(
    imports=["backbones", "bag_of_transfer.classification", "bag_of_transfer.engine.schedules"],
    allow_failed_imports=False,
)

model = dict(
    type="ImageClassifier",
    # RGB, 0 to 255: arXiv:1812.01187, sec. 2.1.
    data_preprocessor=dict(
        type="ClassificationPreprocessor",
        mean=[123.68, 116.779, 103.939],
        std=[58.393, 57.12, 57.375],
    ),
    backbone=dict(
        type="TimmNetwork",
        name="mobilenetv1_100",
        options=dict(act_layer="relu"),
        init="xavier",
    ),
    head=dict(type="LinearHead", num_classes=1000),
)
