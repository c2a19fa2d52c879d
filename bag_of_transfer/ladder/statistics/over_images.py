"""Intervals over test images, for rungs with one seed (Efron's percentile bootstrap).

The test images are drawn again with replacement, the metric is computed from each draw, and the
middle 95 % of the results are the interval.  It covers the choice of test images from the same
source; it says nothing about other seeds, for which there is ``over_both.py``.
Letters: N images, R resamples.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.statistics.over_seeds import CONFIDENCE

__all__ = [
    "BootstrapInterval",
    "PerImage",
    "bootstrap",
    "difference",
    "mean_over_classes",
    "resample",
]

CHUNK = 2**21  # largest number of counts in memory: 16 MiB of 64-bit integers
# With fewer, the 2.5 % percentile would lie outside the resamples: 1 in 40 is 2.5 %.
MIN_RESAMPLES = round(2 / (1 - CONFIDENCE))


@dataclass(frozen=True)
class PerImage:
    """A metric that can be computed again with each test image counted several times or not.

    ``compute`` takes the number of times that each image counts, integers [R N], and returns the
    metric in percent, [R]; NaN where it is undefined (no object, no labelled pixel).
    """

    name: str
    images: tuple[str, ...]
    compute: Callable[[ndarray], ndarray]


@dataclass(frozen=True)
class BootstrapInterval:
    """A 95 % interval over test images; in percent, or in percent points for a difference.

    ``estimate`` is the metric with each image counted once, or its mean over seeds.
    ``num_resamples`` is the number of resamples where the metric is defined; the interval leaves
    out the others.
    """

    metric: str
    estimate: float
    low: float
    high: float
    num_images: int
    num_resamples: int


def mean_over_classes(by_class: ndarray) -> ndarray:
    """Return the mean of [R K] over the classes that are not NaN, [R]; NaN if all are NaN."""
    defined = ~np.isnan(by_class)
    summed, count = np.where(defined, by_class, 0).sum(axis=1), defined.sum(axis=1)
    return np.divide(summed, count, out=np.full(len(by_class), np.nan), where=count > 0)


def difference(rung: PerImage, reference: PerImage) -> PerImage:
    """Return a rung's metric minus the reference's, both from the same resampled images.

    Raises:
        UserError: If the metrics differ, or the images or their order.
    """
    what = f"{rung.name} against {reference.name}"
    if rung.name != reference.name:
        raise UserError("two metrics cannot be paired", what, "compare the same metric of both")
    if rung.images != reference.images:
        both = f"{len(rung.images)} and {len(reference.images)} images"
        mend = "test both on the same images in the same order"
        raise UserError(f"not the same test images ({both})", what, mend)
    return PerImage(
        rung.name, rung.images, lambda times: rung.compute(times) - reference.compute(times)
    )


def bootstrap(metric: PerImage, num_resamples: int = 1000, seed: int = 0) -> BootstrapInterval:
    """Return the middle 95 % of a metric over ``num_resamples`` draws of the images.

    Args:
        metric: The metric.
        num_resamples: The number of draws, at least 40.
        seed: As for :func:`resample`.

    Raises:
        UserError: If there are fewer than 2 images or 40 resamples, or the metric is undefined
            on the images themselves.
    """
    num_images = len(metric.images)
    if num_resamples < MIN_RESAMPLES:
        mend = f"give at least {MIN_RESAMPLES}"
        raise UserError(f"{num_resamples} resamples are too few", "num_resamples", mend)
    estimate = float(metric.compute(np.ones((1, num_images), dtype=np.int64))[0])
    if np.isnan(estimate):
        mend = "give images with objects or labelled pixels"
        raise UserError("the metric is undefined on these test images", metric.name, mend)
    values = resample(metric, num_resamples, seed)
    defined = values[~np.isnan(values)]
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return BootstrapInterval(
        metric=metric.name,
        estimate=estimate,
        low=float(low),
        high=float(high),
        num_images=num_images,
        num_resamples=len(defined),
    )


def resample(metric: PerImage, num_resamples: int, seed: int = 0) -> ndarray:
    """Return a metric over ``num_resamples`` draws of the images, [R]; NaN where it is undefined.

    With the same ``seed``, all metrics over the same number of images get the same draws.

    Raises:
        UserError: If there are fewer than 2 images.
    """
    num_images = len(metric.images)
    if num_images < 2:
        mend = "give at least 2"
        raise UserError(f"{num_images} test images cannot be resampled", metric.name, mend)
    draws = _draws(num_images, num_resamples, np.random.default_rng(seed))
    return np.concatenate([metric.compute(times) for times in draws])


def _draws(num_images: int, num_resamples: int, rng: np.random.Generator) -> Iterator[ndarray]:
    """Yield how often each image is drawn, [R N], a chunk of resamples at a time."""
    rows = max(1, CHUNK // num_images)
    for start in range(0, num_resamples, rows):
        size = min(rows, num_resamples - start)
        drawn = rng.integers(num_images, size=(size, num_images))
        drawn += num_images * np.arange(size)[:, None]  # each resample has its own N counters
        yield np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
