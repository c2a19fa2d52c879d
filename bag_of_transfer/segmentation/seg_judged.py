"""Check that ``SegMetric`` gets the masks of a data set, in the size of the files."""

from typing import Any

from bag_of_transfer.engine.data.data_sets import file_of, parts_of
from bag_of_transfer.engine.data.mask_reader import ReadMask
from bag_of_transfer.engine.data.truth_reading import check_truth_is_read
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.segmentation.metrics import NAME_MASKS, SegMetric

__all__ = ["check"]


def check(metric: SegMetric, dataset: Any, is_used: bool) -> None:
    """Check that masks are named, and read after what resizes, turns or cuts the image.

    A test split without masks, which is for prediction, does not stop a training.

    Raises:
        UserError: If they are not.
    """
    for part in parts_of(dataset):
        if len(part) and "seg_map_path" not in part.get_data_info(0):
            if not is_used:
                return
            raise UserError("the image has no mask to judge by", file_of(part, 0), NAME_MASKS)
    check_truth_is_read(dataset, _reads, "masks", "LoadAnnotations")


def _reads(step: Any) -> bool:
    # mmseg has LoadBiomedicalAnnotation and others, too.
    return isinstance(step, ReadMask) or "Annotation" in type(step).__name__
