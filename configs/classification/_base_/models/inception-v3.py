"""Inception-V3 of timm, Xavier: no auxiliary classifier, as in the paper's code (GluonCV).

Network: arXiv:1512.00567; initialisation: arXiv:1812.01187, sec. 2.1.  It has no residual blocks,
so there is no last gamma that could start at 0.  GluonCV's network has a dropout of 0.5 before
the linear layer, which the paper does not mention and we leave out.
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
    backbone=dict(type="TimmNetwork", name="inception_v3", init="xavier"),
    head=dict(type="LinearHead", num_classes=1000),
)
