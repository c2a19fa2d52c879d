"""Ladders of known differences and spreads, drawn in their thousands.

``python -m tests.ladder.simulated_ladders`` prints the figures that
docs/decisions/0008-one-interval-per-verdict.md gives.  Letters: L ladders, n seeds, m rungs beside
the reference, R draws, N images.
"""

from itertools import pairwise

import numpy as np
from numpy import ndarray
from scipy import stats

from bag_of_transfer.ladder.statistics.over_both import over_seeds_and_images
from bag_of_transfer.ladder.statistics.over_seeds import (
    ALPHA,
    Comparison,
    compare,
    compare_pairs,
    level_of_each,
    seeds_for,
)

# Standard deviations of mAP over seeds in docs/results/small; scratch, the reference, is first.
SMALL = (2.69, 0.87, 1.30, 1.43, 2.21, 0.76, 0.97, 0.52)
ALIKE = (1.0,) * 8


def draw(
    rng: np.random.Generator, ladders: int, n: int, sds: tuple[float, ...], gains: ndarray | float
) -> ndarray:
    """Draw values [L n 1 + m]: what a seed does to all rungs, a rung's own spread, and its gain."""
    values = rng.normal(size=(ladders, n, 1)) + rng.normal(size=(ladders, n, len(sds))) * sds
    values[..., 1:] += gains
    return values


def compared(values: ndarray, margin: float = 1.0) -> list[Comparison]:
    """Compare the rungs of one ladder, [n 1 + m], with the first."""
    by_rung = _by_rung(values)
    return compare(by_rung, "0", dict.fromkeys(by_rung, "matched"), margin)


def steps_of(values: ndarray, margin: float = 1.0) -> list[Comparison]:
    """Compare each rung of one ladder, [n 1 + m], with the one before."""
    by_rung = _by_rung(values)
    pairs = [(after, before) for before, after in pairwise(by_rung)]
    return compare_pairs(by_rung, pairs, dict.fromkeys(by_rung, "matched"), margin)


def _by_rung(values: ndarray) -> dict[str, dict[int, float]]:
    return {str(rung): dict(enumerate(column)) for rung, column in enumerate(values.T)}


def holds(one: Comparison, truth: float) -> bool:
    assert one.interval is not None
    return one.interval[0] <= truth <= one.interval[1]


def per_image(
    rng: np.random.Generator, n: int, num_images: int, of_image: float, of_seed: float, own: float
) -> ndarray:
    """Draw a difference for each seed and image, [n N]; its truth is 0."""
    common = of_image * rng.normal(size=(1, num_images)) + of_seed * rng.normal(size=(n, 1))
    return common + own * rng.normal(size=(n, num_images))


def over_both(values: ndarray, draws: ndarray, others: int = 0) -> tuple[float, float]:
    """Return the limits of the interval over seeds and images of [n N], with ``draws`` [R N].

    ``others`` is the number of other rungs in the ladder.
    """
    n = len(values)
    ladder = np.stack([np.zeros(n), *[values.mean(axis=1)] * (1 + others)], axis=1)
    resampled = (draws @ values.T / draws.sum(axis=1, keepdims=True)).mean(axis=1)
    found = over_seeds_and_images(compared(ladder)[0], resampled, "m", values.shape[1])
    assert found is not None
    return found.low, found.high


def grown(
    rng: np.random.Generator, points: float, first: int, most: int, sds: tuple[float, ...]
) -> list[Comparison]:
    """Return a ladder to which seeds were added as ``--precision`` adds them; its gains are 0."""
    values, n = draw(rng, 1, most, sds, 0.0)[0], first
    while True:
        found = compared(values[:n])
        needed = max(seeds_for(one, points) or 0 for one in found)
        if needed <= n or n == most:
            return found
        n = min(most, n + max(1, (needed - n) // 2))


# ---- what was chosen among ----


def half_widths(values: ndarray, rng: np.random.Generator) -> dict[str, ndarray]:
    """Return half-widths [L m] by method."""
    _, n, width = values.shape
    m, differences = width - 1, values[..., 1:] - values[..., :1]
    error = differences.std(axis=1, ddof=1) / np.sqrt(n)
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=2, keepdims=True)
    rest += values.mean(axis=(1, 2), keepdims=True)
    pooled = np.sqrt(2 * (rest**2).sum(axis=(1, 2)) / ((n - 1) * m) / n)[:, None] + 0 * error
    draws = draw(rng, 20_000, n, (1.0,) * width, 0.0)
    null = draws[..., 1:] - draws[..., :1]
    t = null.mean(axis=1) / (null.std(axis=1, ddof=1) / np.sqrt(n))
    chi = np.sqrt(rng.chisquare((n - 1) * m, size=(20_000, 1)) / ((n - 1) * m))
    dunnett = (rng.normal(size=(20_000, 1)) + rng.normal(size=(20_000, m))) / np.sqrt(2) / chi
    return {
        "each alone": stats.t.isf(ALPHA / 2, n - 1) * error,
        "Bonferroni": stats.t.isf(ALPHA / 2 / m, n - 1) * error,
        "Sidak": stats.t.isf(level_of_each(m) / 2, n - 1) * error,
        "largest t": np.quantile(abs(t).max(axis=1), 1 - ALPHA) * error,
        "Dunnett, one spread": np.quantile(abs(dunnett).max(axis=1), 1 - ALPHA) * pooled,
    }


def holm_finds(values: ndarray) -> ndarray:
    """Return where Holm's correction of the t-tests rejects, [L m]."""
    differences = values[..., 1:] - values[..., :1]
    p = stats.ttest_1samp(differences, 0.0, axis=1).pvalue
    order = np.argsort(p, axis=1)
    steps = np.arange(p.shape[1], 0, -1)
    sorted_p = np.maximum.accumulate(np.take_along_axis(p, order, axis=1) * steps, axis=1)
    return np.take_along_axis(sorted_p <= ALPHA, np.argsort(order, axis=1), axis=1)


def two_level(values: ndarray, draws: ndarray, level: float, rng: np.random.Generator) -> ndarray:
    """Return the limits of a percentile bootstrap that draws seeds and images."""
    by_seed = draws @ values.T / draws.sum(axis=1, keepdims=True)  # [R n]
    seeds = rng.integers(len(values), size=by_seed.shape)
    means = np.take_along_axis(by_seed, seeds, axis=1).mean(axis=1)
    return np.quantile(means, [level / 2, 1 - level / 2])


def main() -> None:
    rng, ladders = np.random.default_rng(0), 10_000
    print("all 7 intervals hold the truth in % | mean half-width in sd of a difference")
    for n in (5, 10):
        for name, sds in (("alike", ALIKE), ("as in small", SMALL)):
            values = draw(rng, ladders, n, sds, 0.0)
            mean = (values[..., 1:] - values[..., :1]).mean(axis=1)
            sd = np.hypot(sds[0], sds[1:])
            for method, half in half_widths(values, rng).items():
                held = 100 * (abs(mean) <= half).all(axis=1).mean()
                print(f"n {n:2} {name:11} {method:20} {held:5.1f} | {(half / sd).mean():.2f}")
    print("differences of 1 to 4 sd that are found, in %: Sidak, Holm")
    for n in (5, 10):
        gains = np.sqrt(2) * np.array([1, 2, 3, 4, 0, 0, 0])
        values = draw(rng, ladders, n, ALIKE, gains)
        half = half_widths(values, rng)["Sidak"]
        sidak = abs((values[..., 1:] - values[..., :1]).mean(axis=1)) > half
        rates = [100 * each.mean(axis=0)[:4] for each in (sidak, holm_finds(values))]
        print(f"n {n:2}", *(np.round(each).astype(int) for each in rates))
    print("no difference, found equal in %: by the interval, by its 90 % (margin in sd)")
    for n in (5, 10, 20):
        values = draw(rng, ladders, n, ALIKE, 0.0)
        mean = abs((values[..., 1:] - values[..., :1]).mean(axis=1)) / np.sqrt(2)
        half = half_widths(values, rng)["Sidak"] / np.sqrt(2)
        narrow = half * stats.t.isf(level_of_each(7), n - 1)
        narrow /= stats.t.isf(level_of_each(7) / 2, n - 1)
        for margin in (1.0, 2.0):
            rates = [100 * (mean + each < margin).mean() for each in (half, narrow)]
            print(f"n {n:2} margin {margin}: {rates[0]:.0f} {rates[1]:.0f}")
    print("seeds and images, held in %: seeds alone, both, two-level; mean half-widths of the last")
    for others in (0, 7):
        level = level_of_each(1 + others)
        for n in (3, 5, 10):
            for name, sds in (("images", (10.0, 1.0, 5.0)), ("seeds", (3.0, 1.5, 5.0))):
                found = []
                for _ in range(1000):
                    values = per_image(rng, n, 100, *sds)
                    draws = rng.multinomial(100, np.full(100, 0.01), size=1000)
                    ladder = np.stack([np.zeros(n), *[values.mean(axis=1)] * (1 + others)], axis=1)
                    seeds = compared(ladder)[0].interval
                    both = over_both(values, draws[:200], others)
                    found.append((seeds, both, two_level(values, draws, level, rng)))
                limits = np.array(found)  # [L 3 2]
                held = 100 * ((limits[..., 0] <= 0) & (limits[..., 1] >= 0)).mean(axis=0)
                wide = (limits[..., 1] - limits[..., 0]).mean(axis=0)[1:] / 2
                print(f"{1 + others} rungs, n {n:2} {name:6}", held.round(1), wide.round(2))
    print("--precision: all hold the truth in %, mean seeds at the end")
    for num_rungs in (1, 7):
        for first in (3, 5):
            for points in (1.0, 2.0):
                ends = [grown(rng, points, first, 60, ALIKE[: num_rungs + 1]) for _ in range(2000)]
                held = 100 * np.mean([all(holds(one, 0.0) for one in end) for end in ends])
                seeds = np.mean([end[0].n for end in ends])
                print(f"{num_rungs} rungs from {first} to {points}: {held:.1f} {seeds:.1f}")
    print("steps: all 7 intervals hold the truth in %")
    for n in (5, 10):
        for name, sds in (("alike", ALIKE), ("as in small", SMALL)):
            steps = np.diff(draw(np.random.default_rng(1), ladders, n, sds, 0.0), axis=2)
            half = stats.t.isf(level_of_each(7) / 2, n - 1) * steps.std(axis=1, ddof=1) / np.sqrt(n)
            held = 100 * (abs(steps.mean(axis=1)) <= half).all(axis=1).mean()
            print(f"n {n:2} {name:11} {held:5.1f}")


if __name__ == "__main__":
    main()
