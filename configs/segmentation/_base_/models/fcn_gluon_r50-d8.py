"""FCN on ResNet-50-D at stride 8, with an auxiliary head, as in GluonCV at the paper's time.

Each head is a 3x3 convolution to a quarter of the channels, BN, ReLU, dropout 0.1 of single values
and a 1x1; the loss is averaged over the pixels that have a label (dmlc/gluon-cv at 3473b1a2:
gluoncv/model_zoo/fcn.py, gluoncv/loss.py, scripts/segmentation/train.py).  ``tools/train.py
--backbone`` sets type, depth and widths of the backbone, mean, std and the heads' in_channels from
the backbone's card.
"""

default_scope = "mmseg"
custom_imports = dict(
    imports=["backbones", "bag_of_transfer.segmentation", "bag_of_transfer.segmentation.heads"],
    allow_failed_imports=False,
)

# SyncBN becomes BN in one process or on a CPU.
norm_cfg = dict(type="SyncBN", requires_grad=True)
# MXNet's default, which the heads use (gluon/block.py, initializer.py); bias 0.
head_init = dict(type="Uniform", layer="Conv2d", a=-0.07, b=0.07)
model = dict(
    type="EncoderDecoder",
    # RGB, 0 to 255: arXiv:1812.01187, sec. 2.1.
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[123.68, 116.779, 103.939],
        std=[58.393, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(480, 480),  # the crop
    ),
    backbone=dict(
        type="ResNetD",
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=True,
        norm_cfg=norm_cfg,
        norm_eval=False,
    ),
    decode_head=dict(
        type="GluonFCNHead",
        in_channels=2048,
        in_index=3,
        channels=512,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=None,
        norm_cfg=norm_cfg,
        init_cfg=head_init,
        # MXNet's BilinearResize2D aligns corners, in the loss and at test.
        align_corners=True,
        loss_decode=dict(
            type="CrossEntropyLoss", use_sigmoid=False, avg_non_ignore=True, loss_weight=1.0
        ),
    ),
    auxiliary_head=dict(
        type="GluonFCNHead",
        in_channels=1024,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=None,
        norm_cfg=norm_cfg,
        init_cfg=head_init,
        align_corners=True,
        loss_decode=dict(
            type="CrossEntropyLoss", use_sigmoid=False, avg_non_ignore=True, loss_weight=0.5
        ),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
tta_model = dict(type="SegTTAModel")
