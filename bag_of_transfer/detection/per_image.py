"""Detections of every image and which of them are hits, for metrics and resampling.

The matches of an image do not depend on other images, so they can be resampled image by image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmdet.evaluation.functional.bbox_overlaps import bbox_overlaps
from numpy import ndarray

__all__ = ["Detections", "per_image_arrays"]


@dataclass(frozen=True)  # mmengine turns a NamedTuple into a plain one
class Detections:
    """The detections in one image, and for VOC its true boxes; boxes are x1 y1 x2 y2 in pixels."""

    image_id: int | str
    boxes_xyxy: ndarray  # [N, 4]
    scores: ndarray  # [N]
    labels: ndarray  # [N]
    true_boxes: ndarray  # [M, 4]
    true_labels: ndarray  # [M]
    ignored_boxes: ndarray  # [I, 4]
    ignored_labels: ndarray  # [I]


def per_image_arrays(images: Sequence[Detections], classes: Sequence[str]) -> dict[str, ndarray]:
    """Match detections with objects as VOC's development kit does: IoU 0.5, class by class.

    Of equal scores the earlier box comes first.
    Letters: N images in the given order, K classes, D detections, image by image.

    Returns:
        ``image_ids`` [N] and ``classes`` [K] as text; ``image`` [D] in [0, N), ``label`` [D] in
        [0, K), ``score`` [D], ``matched`` [D], whether it is a hit, and ``ignored`` [D], whether
        it is on a difficult object and is neither hit nor miss; ``num_gt`` [N K], objects that
        are not difficult.
    """
    orders = [np.argsort(item.labels, kind="stable") for item in images]
    outcomes = [_outcomes(item)[:, order] for item, order in zip(images, orders, strict=True)]
    pairs = list(zip(images, orders, strict=True))
    matched, ignored = np.concatenate([np.zeros((2, 0), dtype=bool), *outcomes], axis=1)
    counts = [np.bincount(item.true_labels.astype(int), minlength=len(classes)) for item in images]
    labels = np.concatenate([np.zeros(0), *(item.labels[order] for item, order in pairs)])
    return {
        "image_ids": np.array([str(item.image_id) for item in images], dtype=str),
        "classes": np.array(classes, dtype=str),
        "image": np.repeat(np.arange(len(images)), [len(order) for order in orders]),
        "label": labels.astype(np.int64),
        "score": np.concatenate(
            [np.zeros(0, np.float32), *(item.scores[order] for item, order in pairs)]
        ),
        "matched": matched,
        "ignored": ignored,
        "num_gt": np.array(counts, dtype=np.int64).reshape(-1, len(classes)),
    }


def _outcomes(item: Detections) -> ndarray:
    """Return which of an image's N boxes are hits, and which are on a difficult object: [2 N]."""
    objects = np.vstack([item.true_boxes, item.ignored_boxes])
    labels = np.concatenate([item.true_labels, item.ignored_labels])
    hit, ignored = np.zeros((2, len(item.labels)), dtype=bool)
    if not (len(objects) and len(hit)):
        return np.stack([hit, ignored])
    ious = bbox_overlaps(item.boxes_xyxy, objects, use_legacy_coordinate=True)
    ious[item.labels[:, None] != labels] = -1
    best = ious.argmax(axis=1)
    near = ious.max(axis=1) >= 0.5
    ignored = near & (best >= len(item.true_boxes))
    # The first box of an object is a hit, whichever other objects it would also have fitted.
    by_score = np.argsort(-item.scores, kind="stable")
    candidates = by_score[(near & ~ignored)[by_score]]
    _, first = np.unique(best[candidates], return_index=True)
    hit[candidates[first]] = True
    return np.stack([hit, ignored])
