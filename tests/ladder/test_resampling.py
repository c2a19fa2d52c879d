"""The bootstrap over images: against formulas, its coverage, and its pairing."""

import re
import tracemalloc

import numpy as np
import pytest
from numpy import ndarray

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.statistics import over_images
from bag_of_transfer.ladder.statistics.over_images import (
    PerImage,
    bootstrap,
    difference,
)
from bag_of_transfer.ladder.statistics.resampled_masks import count_confusions, segmentation_metric


def names(num_images: int) -> tuple[str, ...]:
    return tuple(f"{i}.jpg" for i in range(num_images))


def mean_of(values: ndarray, name: str = "mean") -> PerImage:
    return PerImage(name, names(len(values)), lambda times: times @ values / times.sum(axis=1))


def test_every_resample_draws_as_many_images_each_as_likely() -> None:
    seen: list[ndarray] = []
    metric = PerImage("m", names(7), lambda times: seen.append(times) or np.zeros(len(times)))
    bootstrap(metric, num_resamples=3000)
    once, *drawn = seen
    assert (once == 1).all()
    times = np.concatenate(drawn)
    assert times.shape == (3000, 7)
    assert (times.sum(axis=1) == 7).all()
    assert times.mean(axis=0) == pytest.approx(np.ones(7), abs=0.08)  # 4 standard errors
    # Binomial of 7 draws at 1 in 7 (variance 6 / 7): with replacement, not a permutation.
    assert times.var(axis=0) == pytest.approx(np.full(7, 6 / 7), abs=0.12)


def test_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(50, 10, size=400)
    found = bootstrap(mean_of(values), num_resamples=4000)
    half = 1.96 * values.std() / 20  # central limit theorem; root of 400
    assert found.estimate == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.06
    )
    assert (found.metric, found.num_images) == ("mean", 400)
    assert found.num_resamples == 4000


def confusions_of(rng: np.random.Generator, num_images: int) -> ndarray:
    """Two classes; each image has its own size and share of right pixels (0.75 on average)."""
    pixels = rng.integers(100, 1000, size=num_images)
    right = rng.binomial(pixels, rng.beta(6, 2, size=num_images))
    found = np.zeros((num_images, 2, 2), dtype=np.int64)
    found[:, 0, 0], found[:, 0, 1] = right // 2, (pixels - right) // 2
    found[:, 1, 1], found[:, 1, 0] = right - right // 2, pixels - right - found[:, 0, 1]
    return found


def test_95_in_100_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(400):
        counts = count_confusions(confusions_of(rng, 60))
        found = bootstrap(segmentation_metric("pixAcc", names(60), counts), num_resamples=400)
        held.append(found.low <= 75 <= found.high)
    # A standard error is 1.1 %; percentile intervals of 60 images are known to be a little short.
    assert 0.91 <= np.mean(held) <= 0.975


def test_pairing_removes_what_images_have_in_common() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(50, 20, size=100)
    ours, theirs = mean_of(image + 1 + rng.normal(0, 1, 100)), mean_of(image)
    found = bootstrap(difference(ours, theirs))
    alone = bootstrap(ours)
    assert found.estimate == pytest.approx(bootstrap(ours).estimate - bootstrap(theirs).estimate)
    assert found.high - found.low < 0.1 * (alone.high - alone.low)
    assert found.low > 0
    assert bootstrap(difference(theirs, ours)).high == pytest.approx(-found.low)  # minus, once


def test_a_rung_does_not_differ_from_itself() -> None:
    metric = mean_of(np.arange(10.0))
    found = bootstrap(difference(metric, metric))
    assert (found.estimate, found.low, found.high) == (0, 0, 0)


def test_seed_decides_and_chunks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = mean_of(np.arange(30.0) ** 2)  # whole numbers: their sums are exact in any order
    first = bootstrap(metric, num_resamples=101, seed=1)
    assert bootstrap(metric, num_resamples=101, seed=2) != first
    monkeypatch.setattr(over_images, "CHUNK", 7 * 30)
    assert bootstrap(metric, num_resamples=101, seed=1) == first


def test_resamples_without_a_metric_are_counted_and_left_out() -> None:
    # Defined where image 0 is drawn: 1 - (4 / 5) ** 5 = 67 % of resamples.
    metric = PerImage("m", names(5), lambda times: np.where(times[:, 0] > 0, 40.0, np.nan))
    found = bootstrap(metric, num_resamples=1000)
    assert found.num_resamples == pytest.approx(672, abs=60)
    assert (found.low, found.high) == (40, 40)


@pytest.mark.parametrize(
    ("num_images", "num_resamples", "message"),
    [
        (1, 1000, "1 test images cannot be resampled: mean: give at least 2"),
        (5, 39, "39 resamples are too few: num_resamples: give at least 40"),
    ],
)
def test_too_few_are_refused(num_images: int, num_resamples: int, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        bootstrap(mean_of(np.arange(float(num_images))), num_resamples)
    bootstrap(mean_of(np.arange(2.0)), 40)


def test_a_metric_that_is_undefined_at_all_is_refused() -> None:
    metric = PerImage("m", names(5), lambda times: np.full(len(times), np.nan))
    with pytest.raises(UserError, match="undefined on these test images: m"):
        bootstrap(metric)


def test_other_images_or_metrics_are_not_paired() -> None:
    one, other = mean_of(np.arange(3.0)), mean_of(np.arange(3.0), "median")
    with pytest.raises(UserError, match="two metrics cannot be paired: mean against median"):
        difference(one, other)
    turned = PerImage("mean", one.images[::-1], one.compute)
    with pytest.raises(UserError, match=r"not the same test images \(3 and 3 images\)"):
        difference(one, turned)


def test_memory_of_a_split_as_large_as_ade20k() -> None:
    # 2,000 images x 150 classes, 360 MB as matrices of 64 bits; never 1,000 resamples of them.
    confusions = np.zeros((2000, 150, 150), dtype=np.int16)
    confusions[:, 3, 3] = np.arange(2000)
    tracemalloc.start()
    metric = segmentation_metric("mIoU", names(2000), count_confusions(confusions))
    found = bootstrap(metric)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.low, found.high) == (100, 100)
    assert peak < 250e6
