"""Turn the matches of COCO's metric into arrays from which AP can be computed again."""

from collections.abc import Sequence

import numpy as np
from faster_coco_eval import COCOeval_faster
from numpy import ndarray

from bag_of_transfer.detection.coco_fields import Id

__all__ = ["coco_arrays"]


def coco_arrays(
    judge: COCOeval_faster, classes: Sequence[str], image_ids: Sequence[Id]
) -> dict[str, ndarray]:
    """Return the matches of boxes of all sizes, as ``per_image.py`` does for VOC.

    Letters: N images by rising id, K classes, D detections, image by image, T IoUs.

    Args:
        judge: From ``judge_boxes``, whose category ids are the labels plus 1.
        classes: The K names in the order of the labels.
        image_ids: The N ids of the file.

    Returns:
        The same names and shapes as ``per_image_arrays``, but ``matched`` and ``ignored``, on a
        crowd, are [T D]: one row for each of COCO's ten IoUs from 0.50 to 0.95.
    """
    shape = len(image_ids), len(classes)
    num_gt, num_found = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    partners: list[int] = []  # the id of the object or crowd, 0: none
    ignored: list[bool] = []
    scores: list[float] = []
    for number, label in np.ndindex(shape):
        # By class, size (the first is all) and image.  The matches can be read only as what
        # pickle keeps of them: ids of objects for each IoU and detection, ids of detections,
        # scores, which objects and which detections do not count, and more.
        at = (label * len(judge.params.areaRng)) * len(image_ids) + number
        found, _, found_scores, crowds, on_crowd, *_ = judge._evalImgs_cpp[at].__getstate__()
        num_gt[number, label] = crowds.count(False)
        num_found[number, label] = len(found_scores)
        partners += found
        ignored += on_crowd
        scores += found_scores
    place = _places(num_found.ravel(), len(judge.params.iouThrs))
    neither = np.array(ignored, dtype=bool)[place]
    images, labels = (np.repeat(each.ravel(), num_found.ravel()) for each in np.indices(shape))
    return {
        "image_ids": np.array([str(image_id) for image_id in image_ids], dtype=str),
        "classes": np.array(classes, dtype=str),
        "image": images,
        "label": labels,
        "score": np.array(scores, dtype=np.float64),
        "matched": (np.array(partners, dtype=np.int64)[place] > 0) & ~neither,
        "ignored": neither,
        "num_gt": num_gt,
    }


def _places(lengths: ndarray, num_ious: int) -> ndarray:
    """Return where the value of each IoU and detection is: [T D].

    In the flat list are the ``lengths[0]`` detections of one image and class at the first IoU,
    the same at the second IoU, and so on, then those of the next image or class.
    """
    ends = np.cumsum(lengths)
    starts, length = np.repeat(ends - lengths, lengths), np.repeat(lengths, lengths)
    within = np.arange(len(starts)) - starts
    return num_ious * starts + within + np.arange(num_ious)[:, None] * length
