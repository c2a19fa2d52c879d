"""Which public weights are the best start on your own data? No pretraining.

Paper:     none; docs/weights.md says which file is nearest to which row of its tables
Data:      DATA_ROOT/own-voc and DATA_ROOT/own-masks, see the configs below
Command:   python tools/ladder.py configs/ladder/public.py
Needs:     network access for the weights, once; 1 GPU with 24 GB (an estimate)
Result:    unmeasured
"""

rungs = dict(
    scratch=None,
    torchvision=dict(model="resnet50.IMAGENET1K_V1", label="ResNet-50 (torchvision V1)"),
    gluon_b=dict(model="resnet50.gluon_in1k", label="ResNet-50-B (GluonCV)"),
    gluon_c=dict(model="resnet50c.gluon_in1k", label="ResNet-50-C (GluonCV)"),
    gluon_d=dict(model="resnet50d.gluon_in1k", label="ResNet-50-D + mixup (GluonCV)"),
    timm_d=dict(model="resnet50d.ra2_in1k", label="ResNet-50-D, RandAugment (timm)"),
)
reference = "torchvision"
tasks = dict(
    detection="configs/detection/faster-rcnn_fpn_own-voc.py",
    segmentation="configs/segmentation/fcn_d8_own-masks.py",
)
lr = "optim_wrapper.optimizer.lr"
tune = dict(detection={lr: [0.005, 0.01, 0.02]}, segmentation={lr: [0.005, 0.01, 0.02]})
seeds = [0, 1, 2]
