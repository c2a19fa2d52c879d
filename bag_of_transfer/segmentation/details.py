"""What a segmenter found and confused, class by class, in pixels.

Letters: N images, K classes.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from torch import Tensor

from bag_of_transfer.engine.loop.details import Details, share

__all__ = ["pixel_details"]


def pixel_details(
    confusion: Int[Tensor, "K K"], per_image: Int[Tensor, "N 3 K"], classes: Sequence[str]
) -> Details:
    """Return the details of a segmenter.

    Args:
        confusion: Pixels of all images by truth, then by prediction.
        per_image: Of each image and class the pixels that are right, predicted and labelled.
        classes: The K names.
    """
    counts = confusion.numpy()
    right, predicted, labelled = counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)
    rights, predicteds, labelleds = np.moveaxis(per_image.numpy(), 1, 0)
    ious = share(rights, predicteds + labelleds - rights)
    there = ~np.isnan(ious)
    return Details(
        measure="IoU",
        counted="pixels",
        classes=classes,
        figures=share(right, predicted + labelled - right),
        counts=labelled,
        precision=share(right, predicted),
        recall=share(right, labelled),
        confusion=counts,
        image_measure="mIoU of the image",
        image_figures=share(np.where(there, ious, 0).sum(axis=1), 100 * there.sum(axis=1)),
    )
