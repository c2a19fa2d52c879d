"""Spreads, paired differences and verdicts: by hand, and by another route where there is one."""

import itertools
import math
import warnings

import numpy as np
import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.statistics.over_seeds import Comparison, compare, holm, spreads, verdict


def by_seed(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def against(
    reference: list[float], kind: str = "matched", **rungs: list[float]
) -> list[Comparison]:
    values = {"scratch": by_seed(*reference), **{k: by_seed(*v) for k, v in rungs.items()}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return compare(values, "scratch", dict.fromkeys(values, kind))


def t_cdf_of_4(t: float) -> float:
    """Student's distribution with 4 degrees of freedom, in closed form."""
    root = t / math.sqrt(1 + t * t / 4)
    return 0.5 + 3 / 8 * root * (1 - t * t / (12 * (1 + t * t / 4)))


def test_spread_by_hand() -> None:
    (one,) = spreads({"d": {3: 40.0, 7: 44.0, 8: 48.0}}, {"d": "matched"})
    assert (one.rung, one.kind, one.n, one.mean) == ("d", "matched", 3, 44.0)
    assert one.by_seed == {3: 40.0, 7: 44.0, 8: 48.0}
    assert one.sd == pytest.approx(4.0)  # sqrt((16 + 0 + 16) / 2)
    # 4.30265: 97.5 % point of t with 2 degrees of freedom, sqrt(2) * 0.95 / sqrt(1 - 0.95 ** 2)
    half = math.sqrt(2) * 0.95 / math.sqrt(1 - 0.95**2) * 4 / math.sqrt(3)
    assert one.interval == pytest.approx((44 - half, 44 + half))


@pytest.mark.parametrize(("values", "mean"), [((), None), ((41.5,), 41.5)])
def test_below_two_seeds_there_is_no_spread(values: tuple[float, ...], mean: float | None) -> None:
    (one,) = spreads({"d": by_seed(*values)}, {"d": "shared"})
    assert (one.n, one.mean, one.sd, one.interval, one.kind) == (
        len(values),
        mean,
        None,
        None,
        "shared",
    )


def test_equal_seeds_have_no_spread_and_no_interval() -> None:
    (one,) = spreads({"d": by_seed(41.5, 41.5)}, {"d": "matched"})
    assert (one.sd, one.interval) == (0.0, None)


def test_differences_of_five_seeds_by_hand() -> None:
    (one,) = against([40, 50, 45, 47, 41], d=[41, 52, 48, 51, 46])
    assert one.by_seed == {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}
    assert (one.rung, one.reference, one.n, one.mean) == ("d", "scratch", 5, 3.0)
    # sd sqrt(10 / 4), standard error sqrt(0.5); t = 3 / sqrt(0.5) with 4 degrees of freedom
    assert one.p == pytest.approx(2 * (1 - t_cdf_of_4(3 / math.sqrt(0.5))))
    assert one.p == pytest.approx(0.01324, abs=1e-5)
    assert one.interval is not None
    low, high = one.interval
    assert low + high == pytest.approx(6.0)
    assert t_cdf_of_4((high - 3) / math.sqrt(0.5)) == pytest.approx(0.975)
    assert one.significant


def test_two_seeds_by_hand() -> None:
    (one,) = against([10.0, 10.0], d=[11.0, 13.0])
    # mean 2, standard error 1; with 1 degree of freedom t is Cauchy's
    half = math.tan(math.pi * 0.475)
    assert one.interval == pytest.approx((2 - half, 2 + half))
    assert one.p == pytest.approx(1 - 2 / math.pi * math.atan(2))


def test_only_seeds_that_both_have_are_paired() -> None:
    values = {"scratch": {0: 40.0, 1: 50.0, 5: 60.0}, "d": {5: 61.0, 2: 99.0, 1: 53.0}}
    (one,) = compare(values, "scratch", {"scratch": "matched", "d": "matched"})
    assert one.by_seed == {5: 1.0, 1: 3.0}
    assert (one.n, one.mean) == (2, 2.0)


@pytest.mark.parametrize(("ours", "n"), [([], 0), ([47.0], 1)])
def test_below_two_pairs_there_is_no_test(ours: list[float], n: int) -> None:
    one, other = against([40.0, 41.0, 43.0], d=ours, c=[42.0, 44.0, 44.0])
    assert (one.n, one.interval, one.p, one.p_holm, one.significant) == (n, None, None, None, False)
    assert one.mean == (7.0 if n else None)
    assert other.num_compared == one.num_compared == 1  # what was not tested needs no correction
    assert other.p_holm == other.p


# 0.1 and 0.3 are no binary fractions: the differences are equal but for rounding.
@pytest.mark.parametrize(
    ("gain", "n", "p", "significant"),
    [(0.0, 6, 1.0, False), (0.3, 5, 1 / 16, False), (0.3, 6, 1 / 32, True), (-0.3, 2, 0.5, False)],
)
def test_equal_differences_take_the_sign_test(
    gain: float, n: int, p: float, significant: bool
) -> None:
    reference = [40.1 + 0.7 * seed for seed in range(n)]
    (one,) = against(reference, d=[value + gain for value in reference])
    assert (one.p, one.p_holm, one.interval, one.significant) == (p, p, None, significant)
    assert one.mean == pytest.approx(gain, abs=1e-9)


def test_holm_by_hand() -> None:
    # sorted 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which may not fall below 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.6]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def closed_testing(p: list[float], i: int) -> float:
    """Holm's other definition: each set of hypotheses that holds i, tested by Bonferroni."""
    others = [p[j] for j in range(len(p)) if j != i]
    sets = itertools.chain.from_iterable(
        itertools.combinations(others, size) for size in range(len(p))
    )
    return max(min(1.0, (len(rest) + 1) * min(p[i], *rest, 1.0)) for rest in sets)


@pytest.mark.parametrize("seed", range(20))
def test_holm_is_closed_testing_never_below_p_and_rises_with_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = list(np.round(rng.random(rng.integers(1, 7)) ** 3, 2))  # small ones, and ties
    corrected = holm(p)
    assert corrected == pytest.approx([closed_testing(p, i) for i in range(len(p))])
    assert all(p[i] <= corrected[i] <= 1 for i in range(len(p)))
    order = np.argsort(p)
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_every_rung_is_corrected_for_all() -> None:
    base, noise = [40.0, 41, 42, 43, 44], [0.5, -0.3, 0.2, -0.4, 0.1]
    shifts = dict(a=0.45, b=-1.0, c=0.05)
    rungs = {
        name: [x + shift + e for x, e in zip(base, noise, strict=True)]
        for name, shift in shifts.items()
    }
    found = against(base, **rungs)
    assert [one.rung for one in found] == ["a", "b", "c"]
    p = [one.p for one in found]
    assert [one.p_holm for one in found] == pytest.approx([2 * p[0], 3 * p[1], p[2]])
    assert p[0] < 0.05 < 2 * p[0]  # a alone would have passed for better
    words = [verdict(one) for one in found]
    assert words == ["no difference shown", "worse", "no difference shown"]
    assert [one.significant for one in found] == [False, True, False]
    assert {one.num_compared for one in found} == {3}


@pytest.mark.parametrize(
    ("n", "gain", "said"),
    [
        (4, 9.0, "too few seeds for a verdict"),
        (5, 9.0, "better"),
        (5, -9.0, "worse"),
        (5, 0.01, "no difference shown"),
        (0, 0.0, "too few seeds for a verdict"),
    ],
)
def test_verdicts(n: int, gain: float, said: str) -> None:
    reference = [40.0 + seed for seed in range(n)]
    rung = [value + gain + 0.1 * (-1) ** i for i, value in enumerate(reference)]
    (one,) = against(reference, d=rung)
    assert verdict(one) == said
    assert one.significant == (said in ("better", "worse"))


@pytest.mark.parametrize(
    ("rung", "reference", "pair"),
    [
        ("matched", "matched", "matched"),
        ("shared", "matched", "shared"),
        ("matched", "shared", "shared"),
    ],
)
def test_a_pair_is_matched_if_both_are(rung: str, reference: str, pair: str) -> None:
    values = {"b": by_seed(1.0, 2.0), "d": by_seed(3.0, 5.0)}
    (one,) = compare(values, "b", {"b": reference, "d": rung})
    assert one.kind == pair


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("rung", ["scratch", "d"])
def test_a_value_that_is_no_number_is_named(rung: str, value: float) -> None:
    values = {"scratch": by_seed(1.0, 2.0), "d": by_seed(3.0, 4.0)}
    values[rung][1] = value
    kinds = dict.fromkeys(values, "matched")
    for function in (lambda: compare(values, "scratch", kinds), lambda: spreads(values, kinds)):
        with pytest.raises(UserError, match=f"{rung}, seed 1"):
            function()


def test_an_unknown_reference_or_kind_is_named() -> None:
    values = {"b": by_seed(1.0), "d": by_seed(2.0)}
    with pytest.raises(UserError, match=r"no rung is called 'c': reference: name one of b, d"):
        compare(values, "c", dict.fromkeys(values, "matched"))
    for kinds in ({"b": "matched"}, {"b": "matched", "d": "paired"}):
        with pytest.raises(UserError, match="unknown kind of seeds"):
            compare(values, "b", kinds)
        with pytest.raises(UserError, match="unknown kind of seeds"):
            spreads(values, kinds)
