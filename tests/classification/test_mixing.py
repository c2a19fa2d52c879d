"""Mixup as arithmetic."""

import math
import random

import pytest
import torch
from mmengine.logging import MessageHub

from bag_of_transfer.classification.mixing import draw_lambda, epochs_left, mixup, reversed_order


def test_mixes_images_and_targets_by_hand() -> None:
    inputs = torch.tensor([0.0, 10.0, 20.0])[:, None, None, None].expand(3, 1, 2, 2)
    targets = torch.eye(3)
    images, soft = mixup(inputs, targets, 0.75, torch.tensor([2, 1, 0]))
    # 0.75 * 0 + 0.25 * 20 = 5; 10 with itself; 0.75 * 20 + 0.25 * 0 = 15
    assert images[:, 0, 0, 0].tolist() == [5.0, 10.0, 15.0]
    assert soft.tolist() == [[0.75, 0.0, 0.25], [0.0, 1.0, 0.0], [0.25, 0.0, 0.75]]


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_targets_still_sum_to_one_and_the_batch_keeps_its_mean(lam: float) -> None:
    inputs, targets = torch.randn(5, 3, 4, 6), torch.rand(5, 4).softmax(1)
    images, soft = mixup(inputs, targets, lam, torch.randperm(5))
    torch.testing.assert_close(soft.sum(1), torch.ones(5))
    torch.testing.assert_close(images.mean(0), inputs.mean(0))


def test_lambda_one_changes_nothing_and_arguments_are_left_alone() -> None:
    inputs, targets = torch.randn(4, 3, 2, 2), torch.eye(4)
    kept = inputs.clone()
    images, soft = mixup(inputs, targets, 1.0, reversed_order(4, inputs.device))
    torch.testing.assert_close(images, inputs)
    torch.testing.assert_close(soft, targets)
    mixup(inputs, targets, 0.5, reversed_order(4, inputs.device))
    assert torch.equal(inputs, kept)


def test_reversed_order_pairs_first_with_last() -> None:
    assert reversed_order(5, torch.device("cpu")).tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_lambda_has_the_moments_of_beta(alpha: float) -> None:
    rng = random.Random(7)
    draws = torch.tensor([draw_lambda(alpha, rng) for _ in range(20_000)])
    assert draws.min() >= 0
    assert draws.max() <= 1
    # Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1))
    assert math.isclose(draws.mean().item(), 0.5, abs_tol=0.01)
    assert math.isclose(draws.var().item(), 1 / (4 * (2 * alpha + 1)), rel_tol=0.03)


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan])
def test_alpha_must_be_above_zero(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must be above 0"):
        draw_lambda(alpha, random.Random(0))


def test_epochs_left_counts_the_current_one() -> None:
    hub = MessageHub.get_instance("test_epochs_left")
    assert epochs_left() == math.inf
    hub.update_info_dict(dict(loop_stage="train", epoch=7, max_epochs=10))
    assert epochs_left() == 3
    hub.pop_info("loop_stage")  # as mmengine does when training is over
    assert epochs_left() == math.inf
