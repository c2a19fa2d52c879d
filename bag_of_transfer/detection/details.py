"""What a detector found and confused, class by class, from the matches of its metric at IoU 0.5.

Letters: N images, K classes, D detections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from mmdet.evaluation.functional.bbox_overlaps import bbox_overlaps
from numpy import ndarray

from bag_of_transfer.engine.loop.details import Details, share

__all__ = ["Matches", "box_details", "matches_of"]

SCORES = np.arange(1, 100) / 100  # among which the score is chosen
NO_SCORE = 0.5  # where nothing was found at any
RECALLS = np.arange(101) / 100
MIN_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Matches:
    """Detections and which of them are hits at IoU 0.5, image by image.

    Attributes:
        image: [D], in [0, N).
        label: [D], in [0, K).
        score: [D].
        boxes_xyxy: [D 4].
        matched: [D], whether it is a hit.
        ignored: [D], whether it is on a difficult object or a crowd: neither hit nor miss.
        num_gt: [N K], the objects that count.
        true: The boxes x1 y1 x2 y2 and the labels of these objects, for each of the N images.
        legacy: Whether the last pixel belongs to a box.
    """

    image: ndarray
    label: ndarray
    score: ndarray
    boxes_xyxy: ndarray
    matched: ndarray
    ignored: ndarray
    num_gt: ndarray
    true: Sequence[tuple[ndarray, ndarray]]
    legacy: bool

    def take(self, kept: ndarray) -> "Matches":
        """Return the same with only some of the detections."""
        names = ("image", "label", "score", "boxes_xyxy", "matched", "ignored")
        parts = {name: getattr(self, name)[kept] for name in names}
        return replace(self, **parts)


def matches_of(
    arrays: Mapping[str, ndarray],
    boxes_xyxy: ndarray,
    true: Sequence[tuple[ndarray, ndarray]],
    legacy: bool,
) -> Matches:
    """Return the matches in the arrays of ``per_image.py``; see :class:`Matches` for the others."""
    names = ("image", "label", "matched", "ignored", "num_gt")
    parts = {name: arrays[name] for name in names}
    score = arrays["score"].astype(np.float64)
    return Matches(**parts, score=score, boxes_xyxy=boxes_xyxy, true=true, legacy=legacy)


def box_details(
    matches: Matches,
    classes: Sequence[str],
    per_class: Mapping[str, float],
) -> Details:
    """Return the details of a detector.

    Precision, recall and confusion count the detections whose score is at least the one, in steps
    of 0.01, at which the mean F1 of the classes is highest.

    Args:
        matches: The images' objects and detections.
        classes: The K names.
        per_class: AP in percent of every class that has an object.
    """
    counted = matches.take(~matches.ignored)
    score = _best_score(counted, len(classes))
    kept = counted.take(counted.score >= score)
    hits = np.bincount(kept.label[kept.matched], minlength=len(classes))
    num_found = np.bincount(kept.label, minlength=len(classes))
    num_true = matches.num_gt.sum(axis=0)
    return Details(
        measure="AP",
        counted="objects",
        classes=classes,
        figures=np.array([per_class.get(name, np.nan) for name in classes]),
        counts=num_true,
        precision=share(hits, num_found),
        recall=share(hits, num_true),
        confusion=_confusion(kept, hits, num_found),
        image_measure=f"F1 at score {score:g}",
        image_figures=_image_f1(kept),
        score=score,
        curves=_curves(counted, num_true),
    )


def _best_score(counted: Matches, num_classes: int) -> float:
    """Return the score with the highest mean F1; of several the lowest."""
    # How many of SCORES a detection reaches, by class: summed up from the highest.
    place = counted.label * (len(SCORES) + 1) + SCORES.searchsorted(counted.score, side="right")
    shape = num_classes, len(SCORES) + 1
    found, hits = (
        np.bincount(place[chosen], minlength=np.prod(shape)).reshape(shape)[:, ::-1].cumsum(1)
        for chosen in (slice(None), counted.matched)
    )
    num_true = counted.num_gt.sum(axis=0)[:, None]
    f1 = np.divide(2.0 * hits, found + num_true, where=num_true > 0, out=np.zeros(shape))
    mean = f1.sum(axis=0)[-2::-1]  # by rising score; the last column counts every detection
    return float(SCORES[mean.argmax()]) if mean.any() else NO_SCORE


def _image_f1(kept: Matches) -> ndarray:
    """Return F1 in percent of each image; 100 for one without objects and detections."""
    num_true, shape = kept.num_gt.sum(axis=1), len(kept.num_gt)
    found = np.bincount(kept.image, minlength=shape)
    hits = np.bincount(kept.image[kept.matched], minlength=shape)
    return np.where(found + num_true, share(2 * hits, found + num_true), 100.0)


def _curves(counted: Matches, num_true: ndarray) -> ndarray:
    """Return the highest precision in percent at a recall of at least each of RECALLS: [K 101]."""
    order = np.lexsort((-counted.score, counted.label))
    ends = counted.label[order].searchsorted(np.arange(1, len(num_true)))
    curves = np.full((len(num_true), len(RECALLS)), np.nan)
    for label, of_class in enumerate(np.split(counted.matched[order], ends)):
        if num_true[label]:
            hits = of_class.cumsum()
            precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
            first = (hits / num_true[label]).searchsorted(RECALLS)
            curves[label] = 100 * np.append(precision, 0.0)[first]
    return curves


def _confusion(kept: Matches, hits: ndarray, num_found: ndarray) -> ndarray:
    """Return counts by truth and prediction; the last row and column are the background.

    The diagonal has the metric's hits.  Of what is left, an object and a detection of another class
    belong together at an IoU of at least 0.5, the largest first.
    """
    num_classes = len(hits)
    confusion = np.zeros((num_classes + 1, num_classes + 1), dtype=np.int64)
    confusion[np.arange(num_classes), np.arange(num_classes)] = hits
    starts = kept.image.searchsorted(np.arange(len(kept.true) + 1))
    # An image without a detection that is left, or without an object, has nothing to confuse.
    left = np.unique(kept.image[~kept.matched])
    for number in left[kept.num_gt[left].sum(axis=1) > 0]:
        of_image = kept.take(np.arange(starts[number], starts[number + 1]))
        for truth, predicted in _swapped(of_image, *kept.true[number]):
            confusion[truth, predicted] += 1
    num_true = kept.num_gt.sum(axis=0)
    confusion[:-1, -1] = np.maximum(num_true - confusion[:-1, :-1].sum(axis=1), 0)
    confusion[-1, :-1] = np.maximum(num_found - confusion[:-1, :-1].sum(axis=0), 0)
    return confusion


def _swapped(of_image: Matches, true_boxes: ndarray, true_labels: ndarray) -> list[tuple[int, int]]:
    """Return truth and prediction of the detections that lie on an object of another class."""
    ious = bbox_overlaps(of_image.boxes_xyxy, true_boxes, use_legacy_coordinate=of_image.legacy)
    same = of_image.label[:, None] == true_labels
    hits = np.flatnonzero(of_image.matched)
    for hit in hits[np.argsort(-of_image.score[hits], kind="stable")]:
        ious[:, np.where(same[hit], ious[hit], -1).argmax()] = -1  # its object has been found
    ious[of_image.matched] = -1
    ious[same] = -1
    pairs = []
    while ious.size and ious.max() >= MIN_IOU:
        row, column = np.unravel_index(ious.argmax(), ious.shape)
        pairs.append((int(true_labels[column]), int(of_image.label[row])))
        ious[row], ious[:, column] = -1, -1
    return pairs
