"""mmdet's own Faster R-CNN C4; names packages, not modules."""

_base_ = "mmdet::faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py"
custom_imports = dict(imports=["backbones", "detection"])

model = dict(backbone=dict(type="ResNetD", depth=18, stem_channels=4, base_channels=2))
