"""Ladders of known differences: how often intervals hold the truth and verdicts are false."""

import numpy as np
import pytest

from bag_of_transfer.ladder.statistics.over_seeds import Comparison, verdict
from tests.ladder.simulated_ladders import (
    ALIKE,
    SMALL,
    compared,
    draw,
    grown,
    holds,
    over_both,
    per_image,
    steps_of,
)

NUM_LADDERS = 300  # a standard error of 1.3 % at 95 %
RNG_SEED = 7


def ladders(
    n: int, sds: tuple[float, ...], gains: list[float], margin: float = 1.0
) -> list[list[Comparison]]:
    values = draw(np.random.default_rng(RNG_SEED), NUM_LADDERS, n, sds, np.array(gains))
    return [compared(ladder, margin) for ladder in values]


@pytest.mark.parametrize(("n", "sds"), [(2, ALIKE), (5, SMALL), (10, ALIKE)])
def test_all_intervals_of_a_ladder_hold_the_truth_in_95_of_100(
    n: int, sds: tuple[float, ...]
) -> None:
    gains = [0.0, 0.0, 1.0, -1.0, 2.0, 0.5, -3.0]
    held = [
        all(holds(one, gain) for one, gain in zip(ladder, gains, strict=True))
        for ladder in ladders(n, sds, gains)
    ]
    assert 0.93 <= np.mean(held) <= 0.99


@pytest.mark.parametrize(("n", "sds"), [(5, SMALL), (10, ALIKE)])
def test_all_intervals_of_the_steps_hold_the_truth_in_95_of_100(
    n: int, sds: tuple[float, ...]
) -> None:
    """Two steps share a rung: their differences are correlated, but their intervals hold."""
    gains = np.array([0.0, 0.0, 1.0, -1.0, 2.0, 0.5, -3.0])
    truth = np.diff(gains, prepend=0.0)
    values = draw(np.random.default_rng(RNG_SEED), NUM_LADDERS, n, sds, gains)
    stepped = [list(zip(steps_of(ladder), truth, strict=True)) for ladder in values]
    held = [all(holds(one, gain) for one, gain in steps) for steps in stepped]
    assert 0.93 <= np.mean(held) <= 0.99
    signs = {"better": 1, "worse": -1}
    wrong = [
        any(signs.get(verdict(one), np.sign(gain)) != np.sign(gain) for one, gain in steps)
        for steps in stepped
    ]
    assert np.mean(wrong) <= 0.07


@pytest.mark.parametrize("n", [5, 10])
def test_at_most_5_of_100_ladders_have_a_false_verdict(n: int) -> None:
    """Four rungs are as good as the reference, two better by 3, and one worse by the margin."""
    gains = [0.0, 0.0, 0.0, 0.0, 3.0, 3.0, -1.0]
    wrong = {
        0.0: ("better", "worse"),
        3.0: ("worse", "equal within 1"),
        -1.0: ("better", "equal within 1"),
    }
    is_false = [
        any(verdict(one) in wrong[gain] for one, gain in zip(ladder, gains, strict=True))
        for ladder in ladders(n, ALIKE, gains)
    ]
    assert np.mean(is_false) <= 0.07


def test_with_seeds_enough_every_verdict_is_found() -> None:
    gains = [0.0, 0.0, 2.0, 2.0, -2.0, -2.0, 0.0]
    right = {0.0: "equal within 1", 2.0: "better", -2.0: "worse"}
    found = [
        verdict(one) == right[gain]
        for ladder in ladders(40, ALIKE, gains)
        for one, gain in zip(ladder, gains, strict=True)
    ]
    assert np.mean(found) > 0.9


def test_a_difference_as_large_as_the_margin_is_rarely_called_none() -> None:
    """Two one-sided tests: at the margin itself at most 2.5 in 100, here of a single rung."""
    found = ladders(10, ALIKE[:2], [1.0], margin=1.0)
    assert np.mean([verdict(one) == "equal within 1" for (one,) in found]) <= 0.04
    none = ladders(30, ALIKE[:2], [0.0], margin=1.0)
    assert np.mean([verdict(one) == "equal within 1" for (one,) in none]) >= 0.85


def test_adding_seeds_until_intervals_are_narrow_leaves_them_honest() -> None:
    rng = np.random.default_rng(RNG_SEED)
    ends = [grown(rng, 2.5, 3, 40, ALIKE[:3]) for _ in range(NUM_LADDERS)]
    assert all(one.half_width is not None and one.half_width <= 2.5 for end in ends for one in end)
    assert np.mean([all(holds(one, 0.0) for one in end) for end in ends]) >= 0.91


@pytest.mark.parametrize(("n", "num_rungs"), [(2, 1), (4, 8)])
def test_intervals_over_seeds_and_images_hold_what_other_seeds_and_images_give(
    n: int, num_rungs: int
) -> None:
    rng, held, alone = np.random.default_rng(RNG_SEED), [], []
    for _ in range(NUM_LADDERS):
        values = per_image(rng, n, 60, of_image=10, of_seed=0.3, own=5)
        draws = rng.multinomial(60, np.full(60, 1 / 60), size=100)
        low, high = over_both(values, draws, num_rungs - 1)
        held.append(low <= 0 <= high)
        means = np.stack([np.zeros(n), *[values.mean(axis=1)] * num_rungs], axis=1)
        alone.append(holds(compared(means)[0], 0.0))
    assert np.mean(held) >= (0.93 if num_rungs == 1 else 0.98)
    assert np.mean(alone) < np.mean(held)
