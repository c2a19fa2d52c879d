"""Rank correlation over rungs: by hand, and against scipy and a count of all orders."""

import itertools

import numpy as np
import pytest
from scipy import stats

from bag_of_transfer.ladder.statistics.correlation import rank_correlation


def named(values: list[float]) -> dict[str, float | None]:
    return {f"rung {i}": value for i, value in enumerate(values)}


@pytest.mark.parametrize(("metric", "rho"), [([1, 4, 9], 1), ([9, 4, 1], -1)])
def test_three_rungs_in_order_are_chance_once_in_three(metric: list[float], rho: int) -> None:
    found = rank_correlation(named([70, 71, 90]), named(metric))
    assert found is not None
    assert found.rho == pytest.approx(rho)
    assert (found.p, found.n) == (pytest.approx(2 / 6), 3)  # 2 of 3! orders


def test_four_rungs_by_hand() -> None:
    found = rank_correlation(named([1, 2, 3, 4]), named([20, 10, 30, 40]))
    assert found is not None
    assert found.rho == pytest.approx(0.8)  # 1 - 6 (1 + 1) / (4 (16 - 1))
    assert found.p == pytest.approx(8 / 24)  # identity and 3 swaps of neighbours, and mirrored


@pytest.mark.parametrize(("n", "seed"), [(5, 0), (6, 1), (7, 2)])
def test_p_counts_the_orders_that_are_as_far_from_chance(n: int, seed: int) -> None:
    top1, metric = np.random.default_rng(seed).normal(size=(2, n))
    found = rank_correlation(named(list(top1)), named(list(metric)))
    assert found is not None
    rho = stats.spearmanr(top1, metric).statistic
    orders = np.array(list(itertools.permutations(range(n))))
    squares = ((orders - np.arange(n)) ** 2).sum(axis=1)
    all_rhos = 1 - 6 * squares / (n * (n * n - 1))
    assert found.rho == pytest.approx(rho)
    assert found.p == pytest.approx((abs(all_rhos) >= abs(rho) - 1e-9).mean())


def test_many_rungs_agree_with_scipy_ties_included() -> None:
    top1, metric = np.random.default_rng(0).integers(5, size=(2, 12)).astype(float)
    found = rank_correlation(named(list(top1)), named(list(metric)))
    expected = stats.spearmanr(top1, metric)
    assert found is not None
    assert (found.rho, found.p) == (
        pytest.approx(expected.statistic),
        pytest.approx(expected.pvalue),
    )


def test_rungs_without_a_value_are_left_out() -> None:
    top1 = {"scratch": None, "b": 76.0, "d": 77.0, "e": 78.0, "f": 79.0}
    metric = {"e": 40.0, "d": 39.0, "b": 37.0, "scratch": 20.0, "f": None}
    found = rank_correlation(top1, metric)
    assert found is not None
    assert (found.n, found.rho) == (3, pytest.approx(1))
    del top1["e"]
    assert rank_correlation(top1, metric) is None  # two are left


def test_values_that_differ_by_rounding_are_ties() -> None:
    rounded, exact = [76.66665, 76.6667, 80.0], [76.6667, 76.6667, 80.0]
    assert rank_correlation(named([1, 2, 3]), named(rounded)) == rank_correlation(
        named([1, 2, 3]), named(exact)
    )
    assert rank_correlation(named([1, 2, 3]), named([76.66665, 76.6667, 76.66665])) is None


def test_equal_values_have_no_rank_correlation() -> None:
    assert rank_correlation(named([1, 2, 3]), named([5, 5, 5])) is None
    assert rank_correlation(named([5, 5, 5]), named([1, 2, 3])) is None
