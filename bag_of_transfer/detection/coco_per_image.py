"""Turn the matches that pycocotools found into arrays from which AP can be computed again."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from bag_of_transfer.detection.coco_fields import Id

__all__ = ["coco_arrays"]

# One image's detections of one class: image, label, scores [d], matched and ignored [T d].
Part = tuple[int, int, ndarray, ndarray, ndarray]


def coco_arrays(judge: Any, classes: Sequence[str], image_ids: Sequence[Id]) -> dict[str, ndarray]:
    """Return the matches of boxes of all sizes, as ``per_image.py`` does for VOC.

    Letters: N images by rising id, K classes, D detections, image by image, T IoUs.

    Args:
        judge: A ``COCOeval`` after ``evaluate()``, whose category ids are the labels plus 1.
        classes: The K names in the order of the labels.
        image_ids: The N ids of the file.

    Returns:
        The same names and shapes as ``per_image_arrays``, but ``matched`` and ``ignored``, on a
        crowd, are [T D]: one row for each of COCO's ten IoUs from 0.50 to 0.95.
    """
    params = judge.params  # evaluate() has sorted its image and category ids
    num_gt = np.zeros((len(params.imgIds), len(classes)), dtype=np.int64)
    parts: list[Part] = []
    for number in range(len(params.imgIds)):
        for label in range(len(classes)):
            # evalImgs: by class, size (the first is all) and image; None: no object, no detection.
            index = label * len(params.areaRng) * len(params.imgIds) + number
            if (entry := judge.evalImgs[index]) is not None:
                num_gt[number, label] = np.count_nonzero(np.asarray(entry["gtIgnore"]) == 0)
                matched, ignored = entry["dtMatches"] > 0, entry["dtIgnore"].astype(bool)
                scores = np.asarray(entry["dtScores"])
                parts.append((number, label, scores, matched & ~ignored, ignored))
    return {
        "image_ids": np.array([str(image_id) for image_id in image_ids], dtype=str),
        "classes": np.array(classes, dtype=str),
        **_join(parts, len(params.iouThrs)),
        "num_gt": num_gt,
    }


def _join(parts: Sequence[Part], num_ious: int) -> dict[str, ndarray]:
    lengths = [len(scores) for _, _, scores, _, _ in parts]
    none = np.zeros((num_ious, 0), dtype=bool)
    return {
        "image": np.repeat(np.array([part[0] for part in parts], dtype=np.int64), lengths),
        "label": np.repeat(np.array([part[1] for part in parts], dtype=np.int64), lengths),
        "score": np.concatenate([np.zeros(0), *(part[2] for part in parts)]),
        "matched": np.concatenate([none, *(part[3] for part in parts)], axis=1),
        "ignored": np.concatenate([none, *(part[4] for part in parts)], axis=1),
    }
