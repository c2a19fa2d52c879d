"""Statistics over seeds: spreads, paired differences, and a verdict if there are enough seeds.

Values are in percent, differences in percent points, as in metrics.json; larger is better for
every metric.  All functions are for one task and one metric; ``values`` maps rung to seed to value.

Seeds are ``matched`` if backbone k was pretrained with seed k: n repeats of the whole chain.
They are ``shared`` if one backbone file was fine-tuned n times: the results then hold for that
file, not for its recipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy import ndarray
from scipy import stats

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.folder import SEED_KINDS, SeedKind

__all__ = [
    "ALPHA",
    "CONFIDENCE",
    "MIN_SEEDS",
    "ROUNDING",
    "Comparison",
    "Spread",
    "Values",
    "compare",
    "holm",
    "spreads",
    "verdict",
]

Values = Mapping[str, Mapping[int, float]]

ALPHA = 0.05  # the level of the verdicts of all rungs together
CONFIDENCE = 1 - ALPHA  # of every interval
MIN_SEEDS = 5  # with fewer there is no verdict: 4 equal signs happen by chance once in 8 times
ROUNDING = 1e-9  # percent points; subtracting 64-bit floats leaves about 1e-14


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

    Only seeds that both rungs have count.  ``p`` is the two-sided p-value of the paired t-test;
    ``p_holm`` is corrected for the ``num_compared`` rungs that have a ``p``.  With fewer than two
    seeds there is neither an interval nor a ``p``.

    If every seed gives the same difference, the t-test would divide by zero.  Then there is no
    interval, and ``p`` is that of the sign test, which needs no spread: 1 if the difference is 0,
    else 2 ** (1 - n).
    """

    rung: str
    reference: str
    kind: SeedKind  # matched if both rungs are matched
    by_seed: Mapping[int, float]
    mean: float | None
    interval: tuple[float, float] | None
    p: float | None
    p_holm: float | None
    num_compared: int

    @property
    def n(self) -> int:
        """Number of seeds that both rungs have."""
        return len(self.by_seed)

    @property
    def significant(self) -> bool:
        """Whether there are enough seeds for a verdict and the corrected p is at most 0.05."""
        return self.n >= MIN_SEEDS and self.p_holm is not None and self.p_holm <= ALPHA


def spreads(values: Values, kinds: Mapping[str, SeedKind]) -> list[Spread]:
    """Return every rung's spread; ``kinds`` gives each rung's kind of seeds.

    Raises:
        UserError: If a value is not finite, or a rung's kind of seeds is missing or unknown.
    """
    return [_spread(rung, values[rung], _kind(kinds, rung)) for rung in values]


def _spread(rung: str, by_seed: Mapping[int, float], kind: SeedKind) -> Spread:
    array = _finite(rung, by_seed)
    mean = float(array.mean()) if len(array) else None
    sd = float(array.std(ddof=1)) if len(array) > 1 else None
    return Spread(rung, kind, dict(by_seed), mean, sd, _t_interval(array))


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


def _t_interval(values: ndarray) -> tuple[float, float] | None:
    """Return the two-sided t-interval of the mean; None for one value or equal values."""
    if len(values) < 2 or _all_equal(values):
        return None
    sem = values.std(ddof=1) / np.sqrt(len(values))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * sem)
    mean = float(values.mean())
    return mean - half, mean + half


def _all_equal(values: ndarray) -> bool:
    return bool(np.ptp(values) < ROUNDING)


def compare(values: Values, reference: str, kinds: Mapping[str, SeedKind]) -> list[Comparison]:
    """Compare every other rung with ``reference``, in the order of ``values``.

    Raises:
        UserError: If there is no such reference, a value is not finite, or a rung's kind of seeds
            is missing or unknown.
    """
    if reference not in values:
        mend = f"name one of {', '.join(values) or 'the rungs (there are none)'}"
        raise UserError(f"no rung is called {reference!r}", "reference", mend)
    others = [rung for rung in values if rung != reference]
    pairs = {rung: _differences(values, rung, reference) for rung in others}
    p_of = {rung: _paired_p(np.array(list(pairs[rung].values()))) for rung in others}
    tested = {rung: p for rung, p in p_of.items() if p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [
        _comparison(rung, reference, kinds, pairs[rung], p_of[rung], corrected) for rung in others
    ]


def _comparison(
    rung: str,
    reference: str,
    kinds: Mapping[str, SeedKind],
    by_seed: dict[int, float],
    p: float | None,
    corrected: Mapping[str, float],
) -> Comparison:
    both = (_kind(kinds, rung), _kind(kinds, reference))
    array = np.array(list(by_seed.values()))
    return Comparison(
        rung=rung,
        reference=reference,
        kind="matched" if both == ("matched", "matched") else "shared",
        by_seed=by_seed,
        mean=float(array.mean()) if len(array) else None,
        interval=_t_interval(array),
        p=p,
        p_holm=corrected.get(rung),
        num_compared=len(corrected),
    )


def _differences(values: Values, rung: str, reference: str) -> dict[int, float]:
    for name in (rung, reference):
        _finite(name, values[name])
    ours, theirs = values[rung], values[reference]
    return {seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs}


def _paired_p(differences: ndarray) -> float | None:
    if len(differences) < 2:
        return None
    if _all_equal(differences):
        return 1.0 if abs(differences[0]) < ROUNDING else float(2.0 ** (1 - len(differences)))
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def holm(p_values: list[float]) -> list[float]:
    """Return p-values corrected for their number (Holm, Scand. J. Statist. 6, 1979), in order.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none may be smaller than
    the one before it, nor larger than 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in corrected]


def verdict(comparison: Comparison) -> str:
    """Return the verdict on a comparison, in words."""
    if comparison.n < MIN_SEEDS:
        return "too few seeds for a verdict"
    if not comparison.significant or comparison.mean is None:
        return "no difference shown"
    return "better" if comparison.mean > 0 else "worse"
