"""Do 95 in 100 bootstrap intervals of a detection metric hold the truth?  In a drawn world."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy import ndarray

from bag_of_transfer.ladder.statistics.over_images import PerImage, bootstrap, difference
from bag_of_transfer.ladder.statistics.resampled_boxes import (
    HIT,
    MISS,
    BoxMatches,
    detection_metric,
)

NUM_CLASSES = 3
REPEATS, FEW = 60, 20  # at 95 %, a standard error of 3 % and of 5 %


class World(NamedTuple):
    """Images and their objects: how hard each is, and its image."""

    num_true: ndarray  # [N K]
    image: ndarray
    label: ndarray
    hardness: ndarray


def world(num_images: int, rng: np.random.Generator) -> World:
    num_true = rng.poisson(0.7, size=(num_images, NUM_CLASSES))
    cells = np.indices(num_true.shape).reshape(2, -1)
    image, label = np.repeat(cells, num_true.ravel(), axis=1)
    scene = rng.normal(size=num_images)  # what the objects of an image have in common
    return World(num_true, image, label, 0.8 * rng.normal(size=len(image)) + 0.5 * scene[image])


def detector(seen: World, skill: float, rng: np.random.Generator) -> BoxMatches:
    """An object is found if its score, skill minus hardness, is not too low; some mistakes."""
    num_images = len(seen.num_true)
    score = skill - seen.hardness + 0.6 * rng.normal(size=len(seen.image))
    found = score > -0.3
    mistakes = np.repeat(np.arange(num_images), rng.poisson(3, size=num_images))
    image = np.concatenate([seen.image[found], mistakes])
    order = np.argsort(image, kind="stable")
    labels = np.concatenate([seen.label[found], rng.integers(NUM_CLASSES, size=len(mistakes))])
    scores = np.concatenate([score[found], rng.normal(-1.2, 0.9, size=len(mistakes))])
    outcome = np.repeat([HIT, MISS], [found.sum(), len(mistakes)])
    arrays = (each[order] for each in (image, scores, labels, outcome))
    return BoxMatches(*arrays, num_true=seen.num_true)


def rungs(name: str, num_images: int, rng: np.random.Generator) -> list[PerImage]:
    seen = world(num_images, rng)
    images = [str(i) for i in range(num_images)]
    return [detection_metric(name, images, [detector(seen, skill, rng)]) for skill in (1.0, 0.7)]


def once(metric: PerImage) -> float:
    return float(metric.compute(np.ones((1, len(metric.images)), dtype=int))[0])


def share_held(
    name: str, of: Callable[[PerImage, PerImage], PerImage], repeats: int = REPEATS
) -> float:
    """Of intervals from 200 images each, those that hold what 30,000 images give."""
    rng = np.random.default_rng(0)
    truth = once(of(*rungs(name, 30_000, rng)))
    found = [bootstrap(of(*rungs(name, 200, rng)), 300) for _ in range(repeats)]
    return float(np.mean([one.low <= truth <= one.high for one in found]))


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(lambda ours, _: ours, id="alone", marks=pytest.mark.slow),
        pytest.param(difference, id="paired"),
    ],
)
def test_intervals_of_the_area_hold_the_truth(of: Callable[..., PerImage]) -> None:
    assert 0.90 <= share_held("mAP_area", of) <= 0.99


def test_those_of_the_11_points_do_not_where_recall_ends_near_one_of_them() -> None:
    """As resampled_boxes.py says; should they ever, say otherwise there."""
    assert share_held("mAP_voc07", difference, FEW) < 0.8


@pytest.mark.parametrize("name", ["mAP_voc07", "mAP_area"])
def test_the_better_detector_is_better(name: str) -> None:
    ours, theirs = rungs(name, 5000, np.random.default_rng(1))
    assert once(ours) > once(theirs)
