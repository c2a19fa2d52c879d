"""Turn the matches of COCO's metric into arrays from which AP can be computed again."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCOeval_faster
from numpy import ndarray

from bag_of_transfer.detection.coco_fields import Id

__all__ = ["boxes_of", "coco_arrays"]


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
    true = [note for note in judge.cocoGt.dataset["annotations"] if not note["iscrowd"]]
    num_gt = _counts(true, judge, shape)
    num_found = _counts(judge.cocoDt.dataset["annotations"], judge, shape)
    partners: list[int] = []  # the id of the object or crowd, 0: none
    ignored: list[bool] = []
    scores: list[float] = []
    for number, label in np.argwhere(num_found).tolist():
        # By class, size (the first is all) and image.  The matches can be read only as what
        # pickle keeps of them: ids of objects for each IoU and detection, ids of detections,
        # scores, which objects and which detections do not count, and more.
        at = (label * len(judge.params.areaRng)) * len(image_ids) + number
        found, _, found_scores, _, on_crowd, *_ = judge._evalImgs_cpp[at].__getstate__()
        num_found[number, label] = len(found_scores)  # at most 100
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


def boxes_of(judge: COCOeval_faster) -> tuple[ndarray, list[tuple[ndarray, ndarray]]]:
    """Return the box of each detection of ``coco_arrays``, and the objects that count.

    Returns:
        [D 4], and for each of the N images boxes [M 4] and labels [M]; boxes are x1 y1 x2 y2.
    """
    found = judge.cocoDt.dataset["annotations"]
    rows, labels = _rows_and_labels(found, judge)
    scores = np.array([box["score"] for box in found])
    order = np.lexsort((-scores, labels, rows))  # stable, as the judge's
    pairs = rows[order] * (len(judge.params.catIds) + 1) + labels[order]
    _, first, group = np.unique(pairs, return_index=True, return_inverse=True)
    rank = np.arange(len(order)) - first[group]
    found_boxes = np.array([box["bbox"] for box in found]).reshape(-1, 4)
    notes = [judge.cocoGt.imgToAnns.get(number, []) for number in judge.params.imgIds]
    true = [[note for note in of_image if not note["iscrowd"]] for of_image in notes]
    objects = [
        (
            _xyxy(np.array([note["bbox"] for note in of_image]).reshape(-1, 4)),
            np.array([note["category_id"] - 1 for note in of_image], dtype=np.int64),
        )
        for of_image in true
    ]
    return _xyxy(found_boxes[order[rank < judge.params.maxDets[-1]]]), objects


def _xyxy(boxes_xywh: ndarray) -> ndarray:
    return np.hstack([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]])


def _counts(
    annotations: Sequence[Mapping[str, Any]], judge: COCOeval_faster, shape: tuple[int, int]
) -> ndarray:
    """Return how many annotations the judged images have, by image and class: [N K]."""
    rows, labels = _rows_and_labels(annotations, judge)
    judged = rows >= 0
    flat = rows[judged] * shape[1] + labels[judged]
    return np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)


def _rows_and_labels(
    annotations: Sequence[Mapping[str, Any]], judge: COCOeval_faster
) -> tuple[ndarray, ndarray]:
    """Return each annotation's image, as a row, -1 for images that are not judged, and label."""
    row_of = {number: row for row, number in enumerate(judge.params.imgIds)}
    rows = [row_of.get(note["image_id"], -1) for note in annotations]
    labels = [note["category_id"] - 1 for note in annotations]
    return np.array(rows, dtype=np.int64), np.array(labels, dtype=np.int64)


def _places(lengths: ndarray, num_ious: int) -> ndarray:
    """Return where the value of each IoU and detection is: [T D].

    In the flat list are the ``lengths[0]`` detections of one image and class at the first IoU,
    the same at the second IoU, and so on, then those of the next image or class.
    """
    ends = np.cumsum(lengths)
    starts, length = np.repeat(ends - lengths, lengths), np.repeat(lengths, lengths)
    within = np.arange(len(starts)) - starts
    return num_ious * starts + within + np.arange(num_ious)[:, None] * length
