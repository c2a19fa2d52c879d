"""FCN on ResNet-50-D at stride 8, with an auxiliary head, with the values of mmseg's fcn_r50-d8.

It differs in the backbone and has the paper's mean and std;
tests/segmentation/test_upstream_recipes_seg.py lists all differences.  ``tools/train.py
--backbone`` sets type, depth and widths of the backbone, mean, std and the heads' in_channels from
the backbone's card.
"""

default_scope = "mmseg"
custom_imports = dict(
    imports=["backbones", "bag_of_transfer.segmentation"], allow_failed_imports=False
)

# SyncBN becomes BN in one process or on a CPU.
norm_cfg = dict(type="SyncBN", requires_grad=True)
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
        size=(512, 512),  # the crop
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
        type="FCNHead",
        in_channels=2048,
        in_index=3,
        channels=512,
        num_convs=2,
        concat_input=True,
        dropout_ratio=0.1,
        num_classes=None,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type="FCNHead",
        in_channels=1024,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=None,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=0.4),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
tta_model = dict(type="SegTTAModel")
