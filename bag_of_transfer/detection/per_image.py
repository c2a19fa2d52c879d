"""Detections of every image and which of them are hits, for metrics and resampling.

The matches of an image do not depend on other images, so they can be resampled image by image.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from mmdet.evaluation.functional.mean_ap import tpfp_default
from numpy import ndarray

__all__ = ["Detections", "per_image_arrays", "voc_outcomes"]


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


def voc_outcomes(item: Detections, label: int) -> tuple[ndarray, ndarray]:
    """Return which of an image's boxes of one class are hits at IoU 0.5, and which are misses.

    Both results have a 0 or a 1 for each such box, in its order; a box on a difficult object is
    neither.  Of equal scores the earlier box comes first, as in VOC's development kit.
    """
    of_class = item.labels == label
    # Ranks for scores: mmdet sorts by numpy's default, which gives ties in any order.
    ranks = np.empty(int(of_class.sum()))
    ranks[np.argsort(-item.scores[of_class], kind="stable")] = np.arange(len(ranks), 0, -1)
    boxes = np.hstack([item.boxes_xyxy[of_class], ranks[:, None]])
    true = item.true_boxes[item.true_labels == label]
    ignored = item.ignored_boxes[item.ignored_labels == label]
    hit, miss = tpfp_default(boxes, true, ignored, 0.5, use_legacy_coordinate=True)
    return hit[0], miss[0]


def per_image_arrays(images: Sequence[Detections], classes: Sequence[str]) -> dict[str, ndarray]:
    """Match detections with objects as ``VocMetric`` does: IoU 0.5, class by class.

    Letters: N images in the given order, K classes, D detections, image by image.

    Returns:
        ``image_ids`` [N] and ``classes`` [K] as text; ``image`` [D] in [0, N), ``label`` [D] in
        [0, K), ``score`` [D], ``matched`` [D], whether it is a hit, and ``ignored`` [D], whether
        it is on a difficult object and is neither hit nor miss; ``num_gt`` [N K], objects that
        are not difficult.
    """
    parts = list(_by_image_and_class(images, len(classes)))
    numbers, labels, scores, hits, misses = zip(*parts, strict=True) if parts else ((),) * 5
    lengths = [len(part) for part in scores]
    matched = np.concatenate([np.zeros(0), *hits]) > 0
    missed = np.concatenate([np.zeros(0), *misses]) > 0
    counts = [np.bincount(item.true_labels.astype(int), minlength=len(classes)) for item in images]
    return {
        "image_ids": np.array([str(item.image_id) for item in images], dtype=str),
        "classes": np.array(classes, dtype=str),
        "image": np.repeat(np.array(numbers, dtype=np.int64), lengths),
        "label": np.repeat(np.array(labels, dtype=np.int64), lengths),
        "score": np.concatenate([np.zeros(0, np.float32), *scores]),
        "matched": matched,
        "ignored": ~(matched | missed),
        "num_gt": np.array(counts, dtype=np.int64).reshape(-1, len(classes)),
    }


def _by_image_and_class(
    images: Sequence[Detections], num_classes: int
) -> Iterator[tuple[int, int, ndarray, ndarray, ndarray]]:
    for number, item in enumerate(images):
        for label in range(num_classes):
            of_class = item.labels == label
            if of_class.any():
                hit, miss = voc_outcomes(item, label)
                yield number, label, item.scores[of_class], hit, miss
