"""Which of our metrics replaces which of mmsegmentation's."""

from bag_of_transfer.engine.tasks import Judge
from bag_of_transfer.segmentation.metrics import SegMetric

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
