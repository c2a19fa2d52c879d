"""Average precision of resampled test images, from detections that were matched once.

Equal to detection/metrics.py if each image counts once: an image's matches do not depend on the
other images.

Bootstrap intervals of the area (``mAP_area``) hold the truth nearly as often as they promise.
Those of the 11 points (``mAP_voc07``) may not: when the highest recall passes a multiple of 0.1, a
class gains or loses up to a whole eleventh, and resamples show little of that.  In the simulation
of tests/ladder/test_coverage.py, whose recall lies near such a multiple, 9 in 10 intervals of the
area held the truth, and fewer than 8 in 10 of the 11 points.  Therefore, with one seed, the
ladder shows the interval of ``mAP_area``.
Letters: N images, K classes, R resamples, D detections, H hits of one class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.sparse import coo_array, csr_array

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.metrics import METRICS, AverageRule
from bag_of_transfer.ladder.statistics.over_images import PerImage, mean_over_classes

__all__ = ["HIT", "MISS", "NEITHER", "BoxMatches", "average_precisions", "detection_metric"]

# The outcome of a detection.  NEITHER: it matches a difficult object or a crowd and does not count.
HIT, MISS, NEITHER = 1, 0, -1

# AP is the mean, over these recalls, of the best precision at this recall or a higher one; None:
# AP is the area under the curve.  The floating-point numbers are those of mmdet and pycocotools.
RECALLS: dict[AverageRule, ndarray | None] = {
    "voc07": np.arange(0, 1 + 1e-3, 0.1),
    "coco": np.linspace(0, 1, 101),
    "area": None,
}
BOX_METRICS = {name: row.boxes for name, row in METRICS.items() if row.boxes}


@dataclass(frozen=True)
class BoxMatches:
    """All detections of a split, and their outcomes at one IoU threshold.

    They are sorted by image: among equal scores the earlier counts first, as in the metric.
    """

    image: ndarray  # [D], in [0, N), sorted
    score: ndarray  # [D]
    label: ndarray  # [D], in [0, K)
    outcome: ndarray  # [D], HIT, MISS or NEITHER
    num_true: ndarray  # [N K], objects that are neither difficult nor crowds

    def __post_init__(self) -> None:
        """Check that the arrays fit together.

        Raises:
            UserError: If they do not.
        """
        lengths = {len(each) for each in (self.image, self.score, self.label, self.outcome)}
        mend = "write the file again"
        if len(lengths) > 1 or self.num_true.ndim != 2:
            raise UserError("the arrays are of unequal length", "BoxMatches", mend)
        for name, array, limit in zip(
            ("image", "label"), (self.image, self.label), self.num_true.shape, strict=True
        ):
            if len(array) and not (0 <= array.min() and array.max() < limit):
                raise UserError(f"a number not in [0, {limit})", f"BoxMatches.{name}", mend)
        if not np.isin(self.outcome, (HIT, MISS, NEITHER)).all():
            raise UserError("a number not in -1, 0, 1", "BoxMatches.outcome", mend)


def detection_metric(name: str, images: Sequence[str], matches: Sequence[BoxMatches]) -> PerImage:
    """Return a mean AP in percent, over the classes with an object.

    Args:
        name: ``mAP_voc07``, ``mAP_area``, ``AP``, ``AP50`` or ``AP75``.
        images: The N images' names.
        matches: One for VOC's IoU threshold of 0.5, ten for COCO's of 0.50 to 0.95.

    Raises:
        UserError: If the name is unknown, or the number of images or thresholds does not fit.
    """
    average = BOX_METRICS.get(name)
    if average is None:
        known = ", ".join(BOX_METRICS)
        raise UserError(f"no metric is called {name!r}", "detection", f"use one of {known}")
    if len(matches) != average.num_ious:
        what = f"matches at {len(matches)} IoU thresholds, but the metric needs {average.num_ious}"
        raise UserError(what, name, "match the detections at those thresholds")
    if len(images) != len(matches[0].num_true):
        what = f"{len(images)} names for {len(matches[0].num_true)} images"
        raise UserError(what, name, "give each image one name")
    curves = [(_curves(matches[i]), matches[i].num_true) for i in average.used]

    def compute(times: ndarray) -> ndarray:
        means = [
            mean_over_classes(_by_class(each, true, times, average.rule)) for each, true in curves
        ]
        return np.mean(means, axis=0)

    return PerImage(name, tuple(images), compute)


def average_precisions(matches: BoxMatches, times: ndarray, rule: AverageRule) -> ndarray:
    """Return the AP of each class in percent, [R K]; NaN for a class without an object.

    Args:
        matches: The matches of the whole split.
        times: How often each image counts, integers [R N].
        rule: ``voc07`` (11 points), ``area`` or ``coco`` (101 points).
    """
    return _by_class(_curves(matches), matches.num_true, times, rule)


@dataclass(frozen=True)
class _Curve:
    """One class's hits by falling score: precision can have a maximum only at a hit."""

    image: ndarray  # [H]
    misses: csr_array  # [N H], each image's misses since the previous hit


def _curves(matches: BoxMatches) -> list[_Curve]:
    return [_curve(matches, label) for label in range(matches.num_true.shape[1])]


def _curve(matches: BoxMatches, label: int) -> _Curve:
    (chosen,) = np.nonzero((matches.label == label) & (matches.outcome != NEITHER))
    chosen = chosen[np.argsort(-matches.score[chosen], kind="stable")]
    image, hit = matches.image[chosen], matches.outcome[chosen] == HIT
    hits_before = np.cumsum(hit)
    missed = ~hit & (hits_before < hit.sum())  # misses after the last hit change nothing
    ones = np.ones(int(missed.sum()), dtype=np.int64)
    shape = (len(matches.num_true), int(hit.sum()))
    misses = coo_array((ones, (image[missed], hits_before[missed])), shape=shape)
    return _Curve(image[hit], csr_array(misses))


def _by_class(
    curves: list[_Curve], num_true: ndarray, times: ndarray, rule: AverageRule
) -> ndarray:
    counts = times @ num_true
    aps = [_class_ap(curve, counts[:, k], times, RECALLS[rule]) for k, curve in enumerate(curves)]
    return 100 * np.stack(aps, axis=1)


def _class_ap(curve: _Curve, num_true: ndarray, times: ndarray, recalls: ndarray | None) -> ndarray:
    """Return AP in [0, 1], [R]; an image that counts twice has its detections twice, tied."""
    new = times[:, curve.image]  # [R H]
    hit = new.cumsum(axis=1)
    miss = (times @ curve.misses).cumsum(axis=1)
    precision = hit / np.maximum(hit + miss, 1)
    # The best precision at this recall or a higher one; 0 beyond the last hit.
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.pad(best, ((0, 0), (0, 1)))
    if recalls is None:
        return (new * best[:, :-1]).sum(axis=1) / np.where(num_true > 0, num_true, np.nan)
    recall = hit / np.maximum(num_true, 1)[:, None]
    reached = np.array([np.searchsorted(row, recalls) for row in recall])
    mean = np.take_along_axis(best, reached, axis=1).mean(axis=1)
    return np.where(num_true > 0, mean, np.nan)  # without objects AP is undefined, not 0
