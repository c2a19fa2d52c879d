"""The learning rate of every full-length recipe at the batches that matter, worked out by hand."""

import json
import math
from functools import cache
from typing import NamedTuple

import pytest

import backbones  # noqa: F401
import bag_of_transfer.engine.schedules  # noqa: F401  registers the warm-up
from bag_of_transfer.engine.lr import apply_lr_rule
from tests.classification.leaves import CONFIGS, read_leaf
from tests.lr_curves import lr_curve

LEAVES = sorted(path.stem for path in CONFIGS.glob("*_8xb*.py"))
GPUS = 8
# ImageNet's 1,281,167 images, the last incomplete batch dropped: 1281167 // 256, // 512, // 1024.
# Places365 has 1,803,460 (its standard training set): // 1024.
BATCHES = {"8xb32_in1k": 5004, "8xb64_in1k": 2502, "8xb128_in1k": 1251, "8xb128_places365": 1761}
PEAK = {"8xb32_in1k": 0.1, "8xb64_in1k": 0.2, "8xb128_in1k": 0.4, "8xb128_places365": 0.4}


class Schedule(NamedTuple):
    """What the rates of all batches follow from; most leaves share one of a few."""

    schedulers: str
    lr: float
    epochs: int
    per_epoch: int
    peak: float


@cache
def schedule_of(stem: str) -> Schedule:
    cfg = read_leaf(stem)
    size = stem.partition("_")[2].partition("_")[2]
    line = apply_lr_rule(cfg, world_size=GPUS)
    batch = GPUS * int(size.partition("b")[2].partition("_")[0])
    assert line == f"lr {PEAK[size]:g} = 0.1 x {batch} / 256"
    schedulers, lr = json.dumps(cfg.param_scheduler), cfg.optim_wrapper.optimizer.lr
    return Schedule(schedulers, lr, cfg.train_cfg.max_epochs, BATCHES[size], PEAK[size])


@cache
def curve(schedule: Schedule) -> tuple[list[float], int, float]:
    """Return the rates of all batches, the batches per epoch, and the peak."""
    schedulers, lr, epochs, per_epoch, peak = schedule
    return lr_curve(json.loads(schedulers), lr, epochs, per_epoch), per_epoch, peak


def of_kind(*, step: bool, warm: bool, epochs: int = 120) -> list[str]:
    """Return the leaves whose names have certain words."""
    stems = []
    for stem in LEAVES:
        is_step = "cosine" not in stem
        is_warm = "baseline" not in stem and "linear-scaling" not in stem
        if (is_step, is_warm, 200 if "200e" in stem else 120) == (step, warm, epochs):
            stems.append(stem)
    return stems


STEP, WARM_STEP = of_kind(step=True, warm=False), of_kind(step=True, warm=True)
COSINE, LONG = of_kind(step=False, warm=True), of_kind(step=False, warm=True, epochs=200)


def test_every_recipe_is_looked_at() -> None:
    assert [len(kind) for kind in (STEP, WARM_STEP, COSINE, LONG)] == [5, 14, 10, 8]
    assert sorted(STEP + WARM_STEP + COSINE + LONG) == LEAVES
    told = {stem: schedule_of(stem).epochs for stem in LEAVES}
    assert told == {stem: 200 if "200e" in stem else 120 for stem in LEAVES}


def check_drops(rates: list[float], per_epoch: int, peak: float) -> None:
    for epoch, factor in ((30, 0.1), (60, 0.01), (90, 0.001)):
        first = epoch * per_epoch  # of the epoch counted from 0
        assert rates[first - 1] == pytest.approx(10 * factor * peak)
        assert rates[first] == pytest.approx(factor * peak)
    assert rates[60 * per_epoch - 1] == pytest.approx(0.1 * peak)  # the last before halfway
    assert len(rates) == 120 * per_epoch
    assert rates[-1] == pytest.approx(0.001 * peak)


def test_baseline_begins_at_its_peak_and_drops_three_times() -> None:
    for schedule in set(map(schedule_of, STEP)):
        rates, per_epoch, peak = curve(schedule)
        assert rates[0] == rates[5 * per_epoch] == rates[30 * per_epoch - 1] == pytest.approx(peak)
        check_drops(rates, per_epoch, peak)
        assert len({round(rate, 9) for rate in rates}) == 4


def check_warm_up(rates: list[float], per_epoch: int, peak: float) -> int:
    m = 5 * per_epoch  # at batch i, counted from 1: i x lr / m
    assert rates[0] == pytest.approx(peak / m)
    assert rates[1] == pytest.approx(2 * peak / m)
    assert rates[m - 1] == pytest.approx(peak)
    return m


def test_warm_up_then_three_drops() -> None:
    for schedule in set(map(schedule_of, WARM_STEP)):
        rates, per_epoch, peak = curve(schedule)
        m = check_warm_up(rates, per_epoch, peak)
        assert rates[m] == rates[30 * per_epoch - 1] == pytest.approx(peak)
        check_drops(rates, per_epoch, peak)


@pytest.mark.parametrize(
    "stems",
    [
        pytest.param(COSINE, id="120 epochs"),
        pytest.param(LONG, id="200 epochs", marks=pytest.mark.slow),
    ],
)
def test_warm_up_then_cosine(stems: list[str]) -> None:
    for schedule in set(map(schedule_of, stems)):
        check_cosine(schedule)


def check_cosine(schedule: Schedule) -> None:
    rates, per_epoch, peak = curve(schedule)
    m = check_warm_up(rates, per_epoch, peak)
    length = (
        schedule.epochs - 5
    ) * per_epoch  # T of the paper, sec. 5.1; t is 0 behind the warm-up
    assert len(rates) == m + length
    assert rates[m] == pytest.approx(peak)  # t = 0
    half = m + length // 2
    if length % 2:  # t = (T - 1) / 2: cos(pi / 2 - pi / 2T) = sin(pi / 2T)
        assert rates[half] == pytest.approx(peak / 2 * (1 + math.sin(math.pi / 2 / length)))
    else:
        assert rates[half] == pytest.approx(peak / 2)
    # t = T - 1: 0.5 (1 + cos(pi - x)) = sin(x / 2) ** 2 with x = pi / T
    assert rates[-1] == pytest.approx(peak * math.sin(math.pi / 2 / length) ** 2, rel=1e-3)
    third = m + length // 3
    if length % 3 == 0:  # cos(pi / 3) = 1 / 2
        assert rates[third] == pytest.approx(0.75 * peak)


def test_numbers_of_the_efficient_recipe() -> None:
    rates, _, _ = curve(schedule_of("resnet50-d_cosine_8xb128_in1k"))
    assert len(rates) == 150_120  # 120 x 1251
    assert rates[0] == pytest.approx(6.394884e-05)  # 0.4 / 6255
    assert rates[6255 - 1] == rates[6255] == pytest.approx(0.4)
    assert rates[-1] == pytest.approx(4.7687e-11, rel=1e-3)  # 0.4 (pi / 2 / 143865)^2
