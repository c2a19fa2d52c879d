"""Statistics over seeds: spreads, paired differences, and a verdict if there are enough seeds.

Values are in percent, differences in percent points, as in metrics.json; larger is better for
every metric.  All functions are for one task and one metric; ``values`` maps rung to seed to value.

Seeds are ``matched`` if backbone k was pretrained with seed k: n repeats of the whole chain.
They are ``shared`` if one backbone file was fine-tuned n times: the results then hold for that
file, not for its recipe.

Intervals of differences are simultaneous: that all of them hold the truth has a probability of
95 %.  With m rungs each is a t-interval of level 0.95 ** (1 / m) (Sidak, J. Amer. Statist. Assoc.
62, 1967), whose half-width follows from the spread of its own differences.
``docs/decisions/0008-one-interval-per-verdict.md`` has the reason and the simulated coverage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil, isfinite, log2, sqrt

import numpy as np
from numpy import ndarray
from scipy import stats

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.folder import SEED_KINDS, SeedKind

__all__ = [
    "ALPHA",
    "BETTER",
    "CONFIDENCE",
    "ENOUGH_FOR_A_GUESS",
    "MIN_SEEDS",
    "ROUNDING",
    "WORSE",
    "Comparison",
    "Spread",
    "Values",
    "alike_for",
    "compare",
    "compare_pairs",
    "level_of_each",
    "seeds_for",
    "spreads",
    "verdict",
]

Values = Mapping[str, Mapping[int, float]]

ALPHA = 0.05  # the level of the intervals, and so of the verdicts, of all rungs together
CONFIDENCE = 1 - ALPHA
MIN_SEEDS = 5  # with fewer there is no verdict: 4 equal signs happen by chance once in 8 times
ENOUGH_FOR_A_GUESS = 3  # seeds whose spread tells roughly how many seeds a narrow interval takes
# Percent points.  Files have metrics with 4 digits: of two equal differences each is off by up to
# 1e-4, as a metric that counts few images shows.
ROUNDING = 2.1e-4
BETTER, WORSE = "better", "worse"
NOT_DECIDED = "not decided"


@dataclass(frozen=True)
class Spread:
    """One rung's values over its seeds, in percent; ``interval`` is the t-interval of the mean.

    ``mean`` is None without seeds; ``sd`` (divided by n - 1) and ``interval`` are None with fewer
    than two seeds.
    """

    rung: str
    kind: SeedKind
    by_seed: Mapping[int, float]
    mean: float | None
    sd: float | None
    interval: tuple[float, float] | None

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.by_seed)


@dataclass(frozen=True)
class Comparison:
    """A rung minus the reference, seed by seed, in percent points.

    Only seeds that both rungs have count.  ``half_width`` is that of the t-interval of the mean,
    simultaneous over the ``num_compared`` pairs with two seeds or more; with fewer seeds it is
    None.  It is 0 if every seed gives the same difference.

    ``margin`` is the largest difference that counts as none.
    """

    rung: str
    reference: str
    kind: SeedKind  # matched if both rungs are matched
    by_seed: Mapping[int, float]
    mean: float | None
    sd: float | None
    half_width: float | None
    num_compared: int
    margin: float

    @property
    def pair(self) -> tuple[str, str]:
        """The rung and its reference."""
        return self.rung, self.reference

    @property
    def n(self) -> int:
        """Number of seeds that both rungs have."""
        return len(self.by_seed)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of the mean; None with fewer than two seeds or without any spread."""
        if self.mean is None or not self.half_width:
            return None
        return self.mean - self.half_width, self.mean + self.half_width

    @property
    def is_within_margin(self) -> bool:
        """Whether there is a verdict, and a larger difference than the margin is ruled out."""
        limits = _deciding(self)
        return limits is not None and -self.margin < limits[0] and limits[1] < self.margin


def spreads(values: Values, kinds: Mapping[str, SeedKind]) -> list[Spread]:
    """Return every rung's spread; ``kinds`` gives each rung's kind of seeds.

    Raises:
        UserError: If a value is not finite, or a rung's kind of seeds is missing or unknown.
    """
    return [_spread(rung, values[rung], _kind(kinds, rung)) for rung in values]


def _spread(rung: str, by_seed: Mapping[int, float], kind: SeedKind) -> Spread:
    array = _finite(rung, by_seed)
    mean = float(array.mean()) if len(array) else None
    half = _half_width(array)
    interval = (mean - half, mean + half) if half and mean is not None else None
    return Spread(rung, kind, dict(by_seed), mean, _sd(array), interval)


def _kind(kinds: Mapping[str, SeedKind], rung: str) -> SeedKind:
    if kinds.get(rung) not in SEED_KINDS:
        raise UserError(
            f"unknown kind of seeds {kinds.get(rung)!r}", rung, "give 'matched' or 'shared'"
        )
    return kinds[rung]


def _finite(rung: str, by_seed: Mapping[int, float]) -> ndarray:
    for seed, value in by_seed.items():
        if not isfinite(value):
            mend = "run this cell again, or leave it out"
            raise UserError(f"the metric is {value}", f"{rung}, seed {seed}", mend)
    return np.array(list(by_seed.values()), dtype=np.float64)


def _sd(values: ndarray) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _half_width(values: ndarray, num_compared: int = 1) -> float | None:
    """Return that of the mean's t-interval: None for fewer than two values, 0 for equal ones."""
    sd = _sd(values)
    if sd is None:
        return None
    equal = bool(np.ptp(values) < ROUNDING)
    return 0.0 if equal else _critical(len(values), num_compared) * sd / sqrt(len(values))


@cache  # the quantile takes longer than all the rest of a comparison
def _critical(n: int, num_compared: int) -> float:
    """Return the half-width of an interval in standard errors of a mean of n seeds."""
    return float(stats.t.isf(level_of_each(num_compared) / 2, n - 1))


def level_of_each(num_compared: int) -> float:
    """Return the level of each of several intervals that together have the level ``ALPHA``."""
    return float(-np.expm1(np.log1p(-ALPHA) / num_compared))


def compare(
    values: Values, reference: str, kinds: Mapping[str, SeedKind], margin: float
) -> list[Comparison]:
    """Compare every other rung with ``reference``, in the order of ``values``.

    Args:
        values: Each rung's values by seed.
        reference: The rung that the others are compared with.
        kinds: Each rung's kind of seeds.
        margin: The largest difference, in percent points, that counts as none.

    Raises:
        UserError: If there is no such reference, a value is not finite, or a rung's kind of seeds
            is missing or unknown.
    """
    if reference not in values:
        mend = f"name one of {', '.join(values) or 'the rungs (there are none)'}"
        raise UserError(f"no rung is called {reference!r}", "reference", mend)
    pairs = [(rung, reference) for rung in values if rung != reference]
    return compare_pairs(values, pairs, kinds, margin)


def compare_pairs(
    values: Values, pairs: Iterable[tuple[str, str]], kinds: Mapping[str, SeedKind], margin: float
) -> list[Comparison]:
    """As :func:`compare`, of pairs of a rung and its own reference, which ``values`` have.

    The intervals of all pairs are simultaneous.
    """
    by_pair = {pair: _differences(values, *pair) for pair in pairs}
    num_compared = sum(len(by_seed) > 1 for by_seed in by_pair.values())
    compared = []
    for (rung, reference), by_seed in by_pair.items():
        both = (_kind(kinds, rung), _kind(kinds, reference))
        array = np.array(list(by_seed.values()))
        each = Comparison(
            rung=rung,
            reference=reference,
            kind="matched" if both == ("matched", "matched") else "shared",
            by_seed=by_seed,
            mean=float(array.mean()) if len(array) else None,
            sd=_sd(array),
            half_width=_half_width(array, num_compared),
            num_compared=num_compared,
            margin=margin,
        )
        compared.append(each)
    return compared


def _differences(values: Values, rung: str, reference: str) -> dict[int, float]:
    for name in (rung, reference):
        _finite(name, values[name])
    ours, theirs = values[rung], values[reference]
    return {seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs}


def verdict(comparison: Comparison) -> str:
    """Return the verdict on a comparison, in words: it says what the interval says.

    ``better`` or ``worse``: the interval lies on one side of 0.  ``equal within M``: it holds 0
    and lies within the margin M, which is two one-sided tests, each at half of the interval's
    level.  ``not decided``: neither.  With fewer than ``MIN_SEEDS`` seeds there is no verdict.
    """
    if comparison.n < MIN_SEEDS:
        return "too few seeds for a verdict"
    limits = _deciding(comparison)
    if limits is None:
        return NOT_DECIDED
    low, high = limits
    if low > ROUNDING or high < -ROUNDING:
        return BETTER if low > 0 else WORSE
    return f"equal within {comparison.margin:g}" if comparison.is_within_margin else NOT_DECIDED


def _deciding(comparison: Comparison) -> tuple[float, float] | None:
    """Return the limits that decide; None if there are none.

    If every seed gives the same difference there is no spread to make an interval from.  The
    sign test needs none.
    """
    if comparison.mean is None or comparison.n < MIN_SEEDS:
        return None
    if comparison.interval is not None:
        return comparison.interval
    enough = comparison.n >= alike_for(comparison)
    return (comparison.mean, comparison.mean) if enough else None


def alike_for(comparison: Comparison) -> int:
    """Return how many seeds with the same difference carry a verdict, by the sign test.

    n equal signs have a probability of 2 ** (1 - n) by chance.
    """
    return max(MIN_SEEDS, ceil(1 - log2(level_of_each(comparison.num_compared))))


def seeds_for(comparison: Comparison, points: float) -> int | None:
    """Return how many seeds a half-width of ``points`` takes if the spread stays as it is.

    None with fewer than three seeds, whose spread tells too little.  The number is at least two.
    """
    sd = comparison.sd
    if sd is None or comparison.n < ENOUGH_FOR_A_GUESS:
        return None

    def is_enough(n: int) -> bool:
        half_width = 0.0 if not comparison.half_width else _critical(n, m) * sd / sqrt(n)
        return half_width <= points

    m, low, high = comparison.num_compared, 1, 2
    while not is_enough(high):
        low, high = high, 2 * high
    while high - low > 1:  # low seeds are too few, high are enough
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
