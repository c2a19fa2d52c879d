"""Check that ``VocMetric`` gets the true boxes of a data set, in pixels of the files."""

from typing import Any

from bag_of_transfer.detection.metrics import READ_BOXES, VocMetric
from bag_of_transfer.engine.data.truth_reading import check_truth_is_read

__all__ = ["check"]


def check(metric: VocMetric, dataset: Any, is_used: bool) -> None:
    """Check that the pipeline reads the boxes, after what resizes, turns or cuts the image.

    Raises:
        UserError: If it does not.
    """
    check_truth_is_read(
        dataset, lambda step: getattr(step, "with_bbox", False), "boxes", READ_BOXES
    )
