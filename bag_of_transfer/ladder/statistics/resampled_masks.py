"""pixAcc, mIoU and mAcc of resampled test images, from each image's pixel counts.

Equal to segmentation/metrics.py if each image counts once.
Letters: N images, K classes, R resamples.
"""

from collections.abc import Sequence

import numpy as np
from numpy import ndarray

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.metrics import METRICS
from bag_of_transfer.ladder.statistics.over_images import PerImage, mean_over_classes

__all__ = ["count_confusions", "segmentation_metric"]

NAMES = tuple(name for name, row in METRICS.items() if row.masks)


def count_confusions(confusions: ndarray) -> ndarray:
    """Count the pixels that are right, predicted and labelled, per image and class, [N 3 K].

    Args:
        confusions: Counts of labelled pixels [N K K], the label first, the prediction second.

    Raises:
        UserError: If the shape is not [N K K].
    """
    if confusions.ndim != 3 or confusions.shape[1] != confusions.shape[2]:
        where = f"shape {confusions.shape}"
        mend = "give one K x K matrix for each image"
        raise UserError("the array does not hold confusion matrices", where, mend)
    right = np.diagonal(confusions, axis1=1, axis2=2)
    return np.stack([right, confusions.sum(axis=1), confusions.sum(axis=2)], axis=1)


def segmentation_metric(name: str, images: Sequence[str], counts: ndarray) -> PerImage:
    """Return a metric in percent, computed from the sums of the images' counts.

    Args:
        name: ``pixAcc``, ``mIoU`` or ``mAcc``.
        images: The N images' names.
        counts: [N 3 K], see :func:`count_confusions`.  In 64 bits they take 7 MB for ADE20K's
            2,000 images and 150 classes, whose confusion matrices take 360 MB.

    Raises:
        UserError: If the name is unknown, or the number of images does not fit.
    """
    if name not in NAMES:
        mend = f"use one of {', '.join(NAMES)}"
        raise UserError(f"no metric is called {name!r}", "segmentation", mend)
    if len(images) != len(counts):
        what = f"{len(images)} names for {len(counts)} images"
        raise UserError(what, name, "give each image one name")
    # As floats, because BLAS then multiplies; the sums stay exact up to 2 ** 53 pixels.
    flat = counts.reshape(len(counts), -1).astype(np.float64)

    def compute(times: ndarray) -> ndarray:
        summed = (times.astype(np.float64) @ flat).reshape(len(times), 3, -1)
        right, predicted, labelled = (summed[:, i] for i in range(3))
        if name == "pixAcc":
            return 100 * _ratio(right.sum(axis=1), labelled.sum(axis=1))
        whole = labelled if name == "mAcc" else predicted + labelled - right
        return 100 * mean_over_classes(_ratio(right, whole))

    return PerImage(name, tuple(images), compute)


def _ratio(part: ndarray, whole: ndarray) -> ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
