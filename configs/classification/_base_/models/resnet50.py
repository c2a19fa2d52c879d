"""ResNet-50 of the paper's baseline: the original (A), Xavier, gamma 1, no trick.

arXiv:1812.01187, sec. 2.1 (initialisation) and fig. 1.  A leaf turns the tricks on.
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
    backbone=dict(type="ResNetA", depth=50, init="xavier", zero_init_residual=False),
    head=dict(type="LinearHead", num_classes=1000),
)
