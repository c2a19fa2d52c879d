"""Which of our metrics stands for which of mmsegmentation's."""

from engine.percent import Judge
from segmentation.metrics import SegMetric

__all__ = ["JUDGES"]

JUDGES = {
    "IoUMetric": Judge(
        SegMetric.__name__,
        SegMetric.__module__,
        frozenset({"collect_device", "ignore_index", "output_dir"}),
        ("iou_metrics", frozenset({"mIoU"})),
        {"aAcc": "pixAcc"},
    ),
}
