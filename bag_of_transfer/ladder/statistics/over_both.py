"""Intervals over seeds and test images together, for differences with two seeds or more.

The interval over seeds holds for the test images at hand.  Here the squared half-width of the same
mean over other test images is added to its own: the sum holds for other seeds on other images of
the same source.  It is at least as wide as the interval over seeds, so that the two never
contradict each other.  A two-level bootstrap, which draws seeds and images, is too narrow: from a
few seeds it draws too little spread (docs/decisions/0008-one-interval-per-verdict.md).
Letters: R resamples.
"""

from math import hypot

import numpy as np
from numpy import ndarray
from scipy import stats

from bag_of_transfer.ladder.statistics.over_images import BootstrapInterval
from bag_of_transfer.ladder.statistics.over_seeds import Comparison, level_of_each

__all__ = ["over_seeds_and_images"]


def over_seeds_and_images(
    comparison: Comparison, resampled: ndarray, metric: str, num_images: int
) -> BootstrapInterval | None:
    """Return a difference's interval over seeds and images, simultaneous as that over seeds.

    Args:
        comparison: The difference over seeds.
        resampled: Its mean over the same seeds, over R draws of the images, [R]; NaN where it is
            undefined.
        metric: The name of the metric.
        num_images: The number of test images.

    Returns:
        The interval; None with fewer than two seeds, or if fewer than two draws are defined.
    """
    defined = resampled[~np.isnan(resampled)]
    if comparison.mean is None or comparison.half_width is None or len(defined) < 2:
        return None
    of_images = float(defined.std(ddof=1))
    normal = float(stats.norm.isf(level_of_each(comparison.num_compared) / 2))
    half_width = hypot(comparison.half_width, normal * of_images)
    return BootstrapInterval(
        metric=metric,
        estimate=comparison.mean,
        low=comparison.mean - half_width,
        high=comparison.mean + half_width,
        num_images=num_images,
        num_resamples=len(defined),
    )
