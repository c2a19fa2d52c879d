"""Our recipes compared with mmdet's: every key that differs, and why."""

import pytest
from mmdet.datasets import VOCDataset

from tests.detection.upstream import ABSENT, Difference, difference, mmdets, ours, unroll_repeats

CLASSES = list(VOCDataset.METAINFO["classes"])


@pytest.fixture(autouse=True)
def _data_lies_where_it_does_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_ROOT", raising=False)


def under(prefix: str, pairs: Difference) -> Difference:
    return {f"{prefix}.{key}": pair for key, pair in pairs.items()}


def both(kind: str, pairs: Difference) -> Difference:
    return under(f"val_{kind}", pairs) | under(f"test_{kind}", pairs)


# lr follows the batch that is really used; mmdet's tools want --auto-scale-lr.
SCALED = {"auto_scale_lr.enable": (True, False)}
NETWORK = {
    "model.backbone.type": ("ResNetD", "ResNet"),
    # Our only style, 3x3 convolutions with the stride, has no switch.
    "model.backbone.style": (ABSENT, "pytorch"),
    # Weights come from --backbone.
    "model.backbone.init_cfg.type": (ABSENT, "Pretrained"),
    "model.backbone.init_cfg.checkpoint": (ABSENT, "torchvision://resnet50"),
    # Corners of regions keep 32 bits where the network has 16.
    "model.roi_head.bbox_roi_extractor.type": ("ExactRoIExtractor", "SingleRoIExtractor"),
}
FPN = SCALED | NETWORK | {"model.backbone.num_stages": (ABSENT, 4)}  # it has 4 unless told
# The default of mmengine's loader.
KEEP_LAST = both("dataloader", {"drop_last": (ABSENT, False)})
# In percent, by our names; the 11 points and the area both.
VOC_METRIC = both(
    "evaluator",
    {
        "type": ("VocMetric", "VOCMetric"),
        "metric": (ABSENT, "mAP"),
        "eval_mode": (ABSENT, "11points"),
    },
)


def voc_part(dotted: str, year: str, split: str) -> Difference:
    """Return the part of one year: VocFormat has no built-in class names."""
    return under(
        dotted,
        {
            "type": ("VocFormat", "VOCDataset"),
            "data_root": (f"data/voc/VOCdevkit/VOC{year}", "data/VOCdevkit/"),
            "ann_file": (
                f"ImageSets/Main/{split}.txt",
                f"VOC{year}/ImageSets/Main/{split}.txt",
            ),
            "data_prefix.sub_data_root": (ABSENT, f"VOC{year}/"),
            "metainfo.classes": (CLASSES, ABSENT),
        },
    )


VOC_DATA = {
    **voc_part("train_dataloader.dataset.datasets.0", "2007", "trainval"),
    **voc_part("train_dataloader.dataset.datasets.1", "2012", "trainval"),
    **voc_part("val_dataloader.dataset", "2007", "test"),
    **voc_part("test_dataloader.dataset", "2007", "test"),
    "model.roi_head.bbox_head.num_classes": (None, 20),  # read from the data
}


def test_voc_with_fpn() -> None:
    theirs = mmdets("pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py")
    assert unroll_repeats(theirs) == 3
    # The best checkpoint is picked on images that are neither trained on nor tested.
    held_out = {
        "train_dataloader.dataset.datasets.0.hold_out": (10, ABSENT),
        "val_dataloader.dataset.hold_out": (10, ABSENT),
        "val_dataloader.dataset.held_out": (True, ABSENT),
        "val_dataloader.dataset.ann_file": (
            "ImageSets/Main/trainval.txt",
            "VOC2007/ImageSets/Main/test.txt",
        ),
    }
    # mmdet adds dataset_type to the metainfo, and has to take it out to join two years.
    joined = {"train_dataloader.dataset.ignore_keys": (ABSENT, ["dataset_type"])}
    expected = FPN | KEEP_LAST | VOC_METRIC | VOC_DATA | held_out | joined
    assert difference(ours("faster-rcnn_fpn_1x_voc"), theirs) == expected


@pytest.mark.parametrize("length", ["1x", "2x"])
def test_coco_with_fpn(length: str) -> None:
    theirs = mmdets(f"faster_rcnn/faster-rcnn_r50_fpn_{length}_coco.py")
    annotations = "annotations/instances_{}2017.json"
    data = {
        f"{split}_dataloader.dataset.type": ("CocoFormat", "CocoDataset")
        for split in ("train", "val", "test")
    }
    # COCO's own test split has no public truth: val2017 is the test, val a part of train2017.
    held_out = {
        "train_dataloader.dataset.hold_out": (24, ABSENT),
        "val_dataloader.dataset.hold_out": (24, ABSENT),
        "val_dataloader.dataset.held_out": (True, ABSENT),
        "val_dataloader.dataset.ann_file": (
            annotations.format("train"),
            annotations.format("val"),
        ),
        "val_dataloader.dataset.data_prefix.img": ("train2017/", "val2017/"),
    }
    metric = both(
        "evaluator",
        {
            "type": ("CocoBoxMetric", "CocoMetric"),  # in percent, by our names
            "ann_file": (ABSENT, "data/coco/" + annotations.format("val")),  # the data set's
            "metric": (ABSENT, "bbox"),
            "format_only": (ABSENT, False),
        },
    )
    classes = {"model.roi_head.bbox_head.num_classes": (None, 80)}  # read from the data
    expected = FPN | KEEP_LAST | data | held_out | metric | classes
    assert difference(ours(f"faster-rcnn_fpn_{length}_coco"), theirs) == expected


CAFFE = "open-mmlab://detectron2/resnet50_caffe"
C4_NETWORK = {
    **NETWORK,
    # Caffe's weights want BGR and no division; ours say what they want in their card.
    "model.data_preprocessor.mean": ([123.675, 116.28, 103.53], [103.53, 116.28, 123.675]),
    "model.data_preprocessor.std": ([58.395, 57.12, 57.375], [1.0, 1.0, 1.0]),
    "model.data_preprocessor.bgr_to_rgb": (True, False),
    "model.backbone.style": (ABSENT, "caffe"),
    "model.backbone.init_cfg.checkpoint": (ABSENT, CAFFE),
    "model.backbone.strides": (ABSENT, [1, 2, 2]),  # our defaults, cut to three stages
    "model.backbone.dilations": (ABSENT, [1, 1, 1]),
    **under(
        "model.roi_head.shared_head",
        {
            "type": ("ResNetStage4", "ResLayer"),
            "variant": ("ResNetD", ABSENT),
            "style": (ABSENT, "caffe"),
            "stage": (ABSENT, 3),  # the fourth, by its class
            # ResNetStage4's own defaults say the same.
            "dilation": (ABSENT, 1),
            "norm_cfg.type": (ABSENT, "BN"),
            "norm_cfg.requires_grad": (ABSENT, False),
            "norm_eval": (ABSENT, True),
            "init_cfg.type": (ABSENT, "Pretrained"),
            "init_cfg.checkpoint": (ABSENT, CAFFE),
        },
    ),
}
# GluonCV's numbers, see _base_/models/faster-rcnn_c4.py; mmdet's are detectron2's.
C4_NUMBERS = under(
    "model",
    {
        "data_preprocessor.pad_size_divisor": (1, 32),
        "rpn_head.anchor_generator.centers": ([(7.5, 7.5)], ABSENT),
        "rpn_head.loss_bbox.type": ("SmoothL1Loss", "L1Loss"),
        "rpn_head.loss_bbox.beta": (1 / 9, ABSENT),
        "roi_head.bbox_head.loss_bbox.type": ("SmoothL1Loss", "L1Loss"),
        "roi_head.bbox_head.loss_bbox.beta": (1.0, ABSENT),
        "roi_head.bbox_roi_extractor.roi_layer.aligned": (False, ABSENT),
        "roi_head.bbox_roi_extractor.roi_layer.sampling_ratio": (2, 0),
        "train_cfg.rpn.allowed_border": (0, -1),
        "train_cfg.rpn_proposal.min_bbox_size": (16, 0),
        "train_cfg.rcnn.sampler.num": (128, 512),
        "test_cfg.rpn.max_per_img": (300, 1000),
        "test_cfg.rpn.min_bbox_size": (16, 0),
        "test_cfg.rcnn.score_thr": (0.01, 0.05),
        "test_cfg.rcnn.nms.iou_threshold": (0.3, 0.5),
        "test_cfg.rcnn.max_per_img": (-1, 100),
    },
)
# GluonCV's schedule of 20 epochs with Detectron's warm-up; mmdet's is detectron2's.
C4_SCHEDULE = {
    "train_cfg.type": ("EpochBasedTrainLoop", "IterBasedTrainLoop"),
    "train_cfg.max_epochs": (20, ABSENT),
    "train_cfg.max_iters": (ABSENT, 18000),
    "train_cfg.val_interval": (5, 3000),
    "train_dataloader.sampler.type": ("DefaultSampler", "InfiniteSampler"),
    "train_dataloader.batch_size": (4, 2),
    "auto_scale_lr.base_batch_size": (4, 16),
    "optim_wrapper.optimizer.lr": (0.001, 0.02),
    "optim_wrapper.optimizer.weight_decay": (5e-4, 1e-4),
    "optim_wrapper.clip_grad.type": ("value", ABSENT),
    "optim_wrapper.clip_grad.clip_value": (5, ABSENT),
    "param_scheduler.0.start_factor": (1 / 3, 0.001),
    "param_scheduler.0.end": (501, 100),
    "param_scheduler.1.by_epoch": (True, False),
    "param_scheduler.1.end": (20, 18000),
    "param_scheduler.1.milestones": ([14], [12000, 16000]),
}
# One size, 600 by at most 1000 pixels; all images and difficult objects are trained on.
C4_DATA = {
    **both("dataloader", {"dataset.pipeline.1.scale": ([1000, 600], [1333, 800])}),
    **{
        key: pair
        for part in ("0", "1")
        for key, pair in under(
            f"train_dataloader.dataset.datasets.{part}",
            {
                "difficult": ("keep", ABSENT),
                "filter_cfg.filter_empty_gt": (ABSENT, True),
                "filter_cfg.min_size": (ABSENT, 32),
                "pipeline.2.type": ("Resize", "RandomChoiceResize"),
                "pipeline.2.scale": ([1000, 600], ABSENT),
                "pipeline.2.scales": (ABSENT, [(1333, side) for side in range(480, 801, 32)]),
            },
        ).items()
    },
}


def test_voc_with_c4() -> None:
    theirs = mmdets("pascal_voc/faster-rcnn_r50-caffe-c4_ms-18k_voc0712.py")
    expected = SCALED | C4_NETWORK | C4_NUMBERS | C4_SCHEDULE | C4_DATA
    expected |= KEEP_LAST | VOC_METRIC | VOC_DATA
    assert difference(ours("faster-rcnn_c4_paper_voc"), theirs) == expected
