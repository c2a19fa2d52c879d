"""Which of our metrics replaces which of mmsegmentation's."""

from bag_of_transfer.engine.tasks import Judge
from bag_of_transfer.segmentation.metrics import SegMetric

__all__ = ["JUDGES"]

JUDGES = {
    "IoUMetric": Judge(
        SegMetric.__name__,
        SegMetric.__module__,
        frozenset({"collect_device", "ignore_index", "output_dir"}),
        {
            "iou_metrics": ("mIoU", ["mIoU"]),
            "nan_to_num": (None,),
            "beta": (1,),  # of the F-score
            "format_only": (False,),
            "prefix": (None,),
        },
        {"aAcc": "pixAcc"},
    ),
}
