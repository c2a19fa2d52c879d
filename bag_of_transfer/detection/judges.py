"""Which of our metrics replaces which of mmdet's; their modules are imported when one is used."""

from bag_of_transfer.engine.tasks import Judge

__all__ = ["JUDGES"]

METRICS = "bag_of_transfer.detection.metrics"  # by name: it imports mmdet, which takes seconds
_SIZES = ("50", "75", "s", "m", "l")
_COCO_AP = {"coco/bbox_mAP": "AP", **{f"coco/bbox_mAP_{size}": f"AP{size}" for size in _SIZES}}

JUDGES = {
    "VOCMetric": Judge(
        "VocMetric",
        METRICS,
        frozenset({"collect_device"}),
        ("metric", frozenset({"mAP"})),
        {"pascal_voc/mAP": "mAP_voc07"},
    ),
    "CocoMetric": Judge(
        "CocoBoxMetric",
        METRICS,
        frozenset({"collect_device", "ann_file"}),
        ("metric", frozenset({"bbox"})),
        _COCO_AP,
    ),
}
