"""Spreads, paired differences and verdicts: by hand, and by another route where there is one."""

import math
import warnings

import numpy as np
import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.statistics.over_seeds import (
    Comparison,
    alike_for,
    compare,
    seeds_for,
    spreads,
    verdict,
)


def by_seed(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def against(reference: list[float], margin: float = 1.0, **rungs: list[float]) -> list[Comparison]:
    values = {"scratch": by_seed(*reference), **{k: by_seed(*v) for k, v in rungs.items()}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return compare(values, "scratch", dict.fromkeys(values, "matched"), margin)


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
    # sd sqrt(10 / 4), standard error sqrt(0.5); t with 4 degrees of freedom
    assert one.sd == pytest.approx(math.sqrt(2.5))
    assert one.interval is not None
    low, high = one.interval
    assert low + high == pytest.approx(6.0)
    assert t_cdf_of_4((high - 3) / math.sqrt(0.5)) == pytest.approx(0.975)
    assert one.half_width == pytest.approx(high - 3)


def test_two_seeds_by_hand() -> None:
    (one,) = against([10.0, 10.0], d=[11.0, 13.0])
    # mean 2, standard error 1; with 1 degree of freedom t is Cauchy's
    half = math.tan(math.pi * 0.475)
    assert one.interval == pytest.approx((2 - half, 2 + half))


def test_only_seeds_that_both_have_are_paired() -> None:
    values = {"scratch": {0: 40.0, 1: 50.0, 5: 60.0}, "d": {5: 61.0, 2: 99.0, 1: 53.0}}
    (one,) = compare(values, "scratch", {"scratch": "matched", "d": "matched"}, 1.0)
    assert one.by_seed == {5: 1.0, 1: 3.0}
    assert (one.n, one.mean) == (2, 2.0)


@pytest.mark.parametrize(("ours", "n"), [([], 0), ([47.0], 1)])
def test_below_two_pairs_there_is_no_interval(ours: list[float], n: int) -> None:
    one, other = against([40.0, 41.0, 43.0], d=ours, c=[42.0, 44.0, 44.0])
    assert (one.n, one.sd, one.half_width, one.interval) == (n, None, None, None)
    assert one.mean == (7.0 if n else None)
    assert seeds_for(one, 1.0) is None
    # what has no interval widens no other one
    assert other.num_compared == one.num_compared == 1
    assert other.interval == against([40.0, 41.0, 43.0], c=[42.0, 44.0, 44.0])[0].interval


# 0.1 and 0.3 are no binary fractions: the differences are equal but for rounding.
@pytest.mark.parametrize(
    ("gain", "n", "num_rungs", "said"),
    [
        (0.3, 4, 1, "too few seeds for a verdict"),
        (0.3, 5, 1, "not decided"),  # 5 equal signs happen once in 16 times
        (0.3, 6, 1, "better"),
        (-0.3, 6, 1, "worse"),
        (0.0, 6, 1, "equal within 1"),
        (0.3, 6, 8, "not decided"),
        (0.3, 9, 8, "better"),  # 1 in 256, of 1 in 156 for each of eight
    ],
)
def test_without_any_spread_the_sign_test_decides(
    gain: float, n: int, num_rungs: int, said: str
) -> None:
    reference = [40.1 + 0.7 * seed for seed in range(n)]
    rungs = {f"r{i}": [value + gain for value in reference] for i in range(num_rungs)}
    for one in against(reference, **rungs):
        assert (one.half_width, one.interval, verdict(one)) == (0.0, None, said)
        assert one.mean == pytest.approx(gain, abs=1e-9)
        assert seeds_for(one, 0.01) == 2
        assert alike_for(one) == {1: 6, 8: 9}[num_rungs]


@pytest.mark.parametrize("images", [30, 300, 3333])
@pytest.mark.parametrize(("n", "said"), [(5, "not decided"), (6, "better")])
def test_one_image_more_in_every_seed_is_no_spread(images: int, n: int, said: str) -> None:
    right = [images // 2 + 7 * seed for seed in range(n)]
    reference, more = ([round(100 * (k + d) / images, 4) for k in right] for d in (0, 1))
    (one,) = against(reference, r=more)
    assert (one.half_width, one.interval, verdict(one)) == (0.0, None, said)


def test_the_more_rungs_the_wider_each_interval() -> None:
    """Of 7 rungs each has the level 1 - 0.95 ** (1 / 7): together 5 % if they were independent."""
    base = [40.0, 41, 42, 43, 44]
    rungs = {f"r{i}": [41.0, 43, 45, 47, 49] for i in range(7)}
    for one in against(base, **rungs):
        assert one.half_width is not None
        level = t_cdf_of_4(one.half_width / math.sqrt(0.5))
        assert (2 * level - 1) ** 7 == pytest.approx(0.95)


def test_a_rung_that_would_pass_alone_may_not_among_others() -> None:
    base, noise = [40.0, 41, 42, 43, 44], [0.5, -0.3, 0.2, -0.4, 0.1]
    shifts = dict(a=0.6, b=-1.5, c=0.05)
    rungs = {
        name: [x + shift + e for x, e in zip(base, noise, strict=True)]
        for name, shift in shifts.items()
    }
    assert verdict(against(base, a=rungs["a"])[0]) == "better"
    found = against(base, **rungs)
    assert [one.rung for one in found] == ["a", "b", "c"]
    assert [verdict(one) for one in found] == ["not decided", "worse", "equal within 1"]
    assert {one.num_compared for one in found} == {3}


@pytest.mark.parametrize(
    ("n", "gain", "margin", "said", "small"),
    [
        (4, 9.0, 1.0, "too few seeds for a verdict", False),
        (5, 9.0, 1.0, "better", False),
        (5, -9.0, 1.0, "worse", False),
        (5, 0.5, 1.0, "better", True),  # a difference, but a smaller one than matters
        (5, -0.5, 1.0, "worse", True),
        (5, 0.01, 1.0, "equal within 1", True),
        (5, 0.01, 0.25, "equal within 0.25", True),
        (5, 0.01, 0.1, "not decided", False),
        (0, 0.0, 1.0, "too few seeds for a verdict", False),
    ],
)
def test_verdicts(n: int, gain: float, margin: float, said: str, small: bool) -> None:
    reference = [40.0 + seed for seed in range(n)]
    rung = [value + gain + 0.1 * (-1) ** i for i, value in enumerate(reference)]
    (one,) = against(reference, margin=margin, d=rung)
    assert verdict(one) == said
    assert one.is_within_margin == small


@pytest.mark.parametrize("points", [0.05, 0.5, 2.0, 40.0])
def test_as_many_seeds_as_a_half_width_takes(points: float) -> None:
    """The seeds that are there, repeated until the interval is narrow enough."""
    base, gains = np.array([40.0, 50, 45, 47]), np.array([1.0, 2, 4, 3])
    (one, _) = against(list(base), d=list(base + gains), c=list(base + 2 * gains))
    needed = seeds_for(one, points)
    assert needed is not None
    assert one.sd is not None

    def half_width(n: int) -> float:
        # n values with the spread of the four
        values = np.resize([1.0, -1.0], n)
        values = (values - values.mean()) / values.std(ddof=1) * one.sd
        found, _ = against([0.0] * n, d=list(values), c=list(2 * values))
        assert found.half_width is not None
        return found.half_width

    assert half_width(needed) <= points
    assert needed == 2 or half_width(needed - 1) > points


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
    (one,) = compare(values, "b", {"b": reference, "d": rung}, 1.0)
    assert one.kind == pair


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("rung", ["scratch", "d"])
def test_a_value_that_is_no_number_is_named(rung: str, value: float) -> None:
    values = {"scratch": by_seed(1.0, 2.0), "d": by_seed(3.0, 4.0)}
    values[rung][1] = value
    kinds = dict.fromkeys(values, "matched")
    for function in (
        lambda: compare(values, "scratch", kinds, 1.0),
        lambda: spreads(values, kinds),
    ):
        with pytest.raises(UserError, match=f"{rung}, seed 1"):
            function()


def test_an_unknown_reference_or_kind_is_named() -> None:
    values = {"b": by_seed(1.0), "d": by_seed(2.0)}
    with pytest.raises(UserError, match=r"no rung is called 'c': reference: name one of b, d"):
        compare(values, "c", dict.fromkeys(values, "matched"), 1.0)
    for kinds in ({"b": "matched"}, {"b": "matched", "d": "paired"}):
        with pytest.raises(UserError, match="unknown kind of seeds"):
            compare(values, "b", kinds, 1.0)
        with pytest.raises(UserError, match="unknown kind of seeds"):
            spreads(values, kinds)
