"""Does a better classifier carry over?  Rank correlation of top-1 with mAP and mIoU."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy import stats

from bag_of_transfer.ladder.statistics.over_seeds import ROUNDING

__all__ = ["RankCorrelation", "rank_correlation"]

# Up to this number of rungs, p comes from all orders, 8! = 40,320; above, from the t approximation.
EXACT_RUNGS = 8


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's coefficient over ``n`` rungs, in [-1, 1], and its two-sided p-value."""

    rho: float
    p: float
    n: int


def rank_correlation(
    top1: Mapping[str, float | None], metric: Mapping[str, float | None]
) -> RankCorrelation | None:
    """Test whether rungs with a better classifier have a better detector or segmenter.

    Args:
        top1: Each rung's mean top-1 in percent.  A rung with None or without an entry, such as
            scratch, is left out.
        metric: Each rung's mean mAP or mIoU in percent, with the same rule.

    Returns:
        The correlation.  None if fewer than three rungs have both values, or if all values of
        one kind are equal.  Up to 8 rungs, p is computed exactly from all orders: for three rungs
        in perfect order the usual approximation gives p = 0, but a perfect order, rising or
        falling, happens by chance once in three times.
    """
    both = [(top1[rung], metric[rung]) for rung in top1 if metric.get(rung) is not None]
    pairs = np.array([pair for pair in both if pair[0] is not None], dtype=np.float64)
    if len(pairs) < 3:
        return None
    x, y = (_ranks(column) for column in pairs.T)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    rho, p = stats.pearsonr(x, y)  # of the ranks, which is Spearman's coefficient
    if len(pairs) <= EXACT_RUNGS:
        exact = stats.permutation_test(
            (x - x.mean(),),
            lambda order, axis=-1: (order * y).sum(axis=axis),
            permutation_type="pairings",
            vectorized=True,
            n_resamples=np.inf,
        )
        p = exact.pvalue
    return RankCorrelation(float(rho), float(p), len(pairs))


def _ranks(values: ndarray) -> ndarray:
    """Return the ranks of values, the mean one for those that differ by rounding alone."""
    order = np.argsort(values)
    steps = np.diff(values[order], prepend=values[order[0]]) > ROUNDING
    groups = np.empty(len(values))
    groups[order] = np.cumsum(steps)
    return np.asarray(stats.rankdata(groups))
