"""Segmentation metrics of resampled images: equal to the metric itself, and by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.statistics.resampled_masks import count_confusions, segmentation_metric
from bag_of_transfer.segmentation.metrics import count_confusion, count_pixels, scores


def names(num_images: int) -> list[str]:
    return [f"{i}.jpg" for i in range(num_images)]


def masks(rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Prediction and truth of one image of its own size; some pixels unlabelled, class 3 rare."""
    shape = tuple(rng.integers(5, 30, size=2))
    truth = rng.choice([0, 1, 2, 3, 255], p=[0.4, 0.3, 0.2, 0.003, 0.097], size=shape)
    predicted = np.where(rng.random(shape) < 0.7, truth % 255, rng.integers(3, size=shape))
    return predicted, truth


def confusion(predicted: ndarray, truth: ndarray) -> ndarray:
    found = np.zeros((5, 5), dtype=np.int32)
    for p, t in zip(predicted.ravel(), truth.ravel(), strict=True):
        if t != 255:
            found[t, p] += 1
    return found


@pytest.fixture(scope="module")
def pairs() -> list[tuple[ndarray, ndarray]]:
    rng = np.random.default_rng(0)
    return [masks(rng) for _ in range(12)]


@pytest.mark.parametrize("name", ["pixAcc", "mIoU", "mAcc"])
def test_resampled_masks_give_the_metric_itself(name: str, pairs: list[Any]) -> None:
    counts = count_confusions(np.stack([confusion(*pair) for pair in pairs]))
    found = [count_confusion(*map(torch.from_numpy, pair), 5) for pair in pairs]
    ours = torch.stack([count_pixels(counted) for counted, _ in found])
    assert (counts == ours.numpy()).all()
    times = np.random.default_rng(1).multinomial(12, np.full(12, 1 / 12), size=6)
    times[0] = 1
    metric = segmentation_metric(name, names(12), counts)
    expected = [scores((torch.from_numpy(row)[:, None, None] * ours).sum(0))[0] for row in times]
    assert metric.compute(times) == pytest.approx([each[name] for each in expected])


@pytest.mark.parametrize("name", ["pixAcc", "mIoU", "mAcc"])
def test_images_without_labelled_pixels_have_no_metric(name: str) -> None:
    counts = np.array([[[2, 3], [3, 5], [4, 4]], [[0, 0], [0, 0], [0, 0]]])
    metric = segmentation_metric(name, names(2), counts)
    found = metric.compute(np.array([[1, 1], [0, 2]]))
    # by hand: 5 of 8 right; 2 / (3 + 4 - 2) and 3 / (5 + 4 - 3); 2 / 4 and 3 / 4
    expected = {"pixAcc": 500 / 8, "mIoU": 50 * (2 / 5 + 3 / 6), "mAcc": 50 * (2 / 4 + 3 / 4)}
    assert found[0] == pytest.approx(expected[name])
    assert np.isnan(found[1])


def test_unknown_names_and_other_numbers_of_images_are_refused() -> None:
    counts = np.ones((2, 3, 4))
    with pytest.raises(
        UserError, match="no metric is called 'iou': segmentation: use one of pixAcc"
    ):
        segmentation_metric("iou", names(2), counts)
    with pytest.raises(UserError, match="3 names for 2 images: mIoU"):
        segmentation_metric("mIoU", names(3), counts)
    for shape in ((2, 3, 4), (3, 3)):
        with pytest.raises(UserError, match="does not hold confusion matrices"):
            count_confusions(np.ones(shape))
