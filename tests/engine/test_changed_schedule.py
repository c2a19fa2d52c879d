"""A changed schedule may go on only where a run of the config would be at that step."""

from typing import Any

import pytest

from bag_of_transfer.engine.run.changed_schedule import same_rates_so_far

STEP: dict[str, Any] = {"type": "MultiStepLR", "milestones": [1, 3], "gamma": 0.1}
COSINE: dict[str, Any] = {"type": "CosineAnnealingLR"}
ITERS = 3  # per epoch

Schedule = tuple[int, list[dict[str, Any]]]  # epochs or iterations, and schedulers


def recipe(length: int, schedule: list[dict[str, Any]], unit: str = "max_epochs") -> dict[str, Any]:
    return {
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
        "param_scheduler": schedule,
        "train_cfg": {"max_epochs": None, "max_iters": None, unit: length},
    }


def steps(*milestones: int, **more: Any) -> list[dict[str, Any]]:
    return [{**STEP, "milestones": [*milestones], **more}]


def batches(*milestones: int, **more: Any) -> list[dict[str, Any]]:
    return steps(*milestones, by_epoch=False, **more)


def warm(end: int) -> list[dict[str, Any]]:
    warm_up = {"type": "GradualWarmup", "end": end, "convert_to_iter_based": True}
    return [warm_up, *steps(1, 3, end=9)]


@pytest.mark.parametrize(
    ("place", "was", "now", "same"),
    [
        ((0, 1), (6, warm(1)), (6, warm(3)), False),  # the peak came too soon
        ((0, 2), (4, [{**COSINE, "by_epoch": False}]), (6, [{**COSINE, "by_epoch": False}]), False),
        ((0, 2), (4, [COSINE]), (6, [COSINE]), True),  # no epoch has ended
        ((1, 5), (4, steps(1, 3)), (4, steps(1, 2)), True),
        ((1, 5), (4, steps(1, 3)), (4, steps(2, 3)), False),
        ((0, ITERS), (4, steps(1, 3)), (4, steps(2, 3)), True),  # the epoch is not counted yet
        ((1, ITERS), (4, steps(1, 3)), (4, steps(2, 3)), False),
        ((2, 6), (4, steps(2)), (4, steps(3)), False),  # due now: the optimizer has its rate
        ((2, 6), (4, steps(3)), (4, steps(2)), False),
        ((2, 6), (2, steps(2)), (4, steps(2)), True),  # at the old end nothing has moved
        ((2, 6), (2, steps(2)), (4, steps(3)), True),
        ((2, 6), (2, steps(2, end=9)), (4, steps(3, end=9)), False),  # that had no end there
        ((1, 5), (4, batches(5)), (4, batches(7)), False),
        ((1, 4), (4, batches(5)), (4, batches(7)), True),
        ((1, 4), (4, steps(2)), (4, steps(2, convert_to_iter_based=True)), False),  # another unit
        ((1, 5), (4, batches(7)), (4, batches(5, begin=2)), False),  # counted from 2 on
        ((4, 12), (4, steps(1, 3)), (4, steps(1, 3, 4)), True),  # no step remains
        ((2, 5), (4, steps(1, 3)), (4, steps(1, 3)), False),  # a place that cannot be
    ],
)
def test_a_schedule_is_compared_up_to_the_next_step(
    place: tuple[int, int], was: Schedule, now: Schedule, same: bool
) -> None:
    meta = dict(zip(("epoch", "iter"), place, strict=True))
    assert same_rates_so_far(recipe(*was), recipe(*now), meta, ITERS) is same


def test_a_loop_of_iterations_is_compared_with_the_length_of_an_epoch() -> None:
    def told(*milestones: int) -> dict[str, Any]:
        return recipe(12, steps(*milestones, convert_to_iter_based=True, end=9), "max_iters")

    meta = {"epoch": 0, "iter": 7}
    assert same_rates_so_far(told(1, 3), told(1, 4), meta, ITERS)
    assert not same_rates_so_far(told(1, 2), told(1, 4), meta, ITERS)
    assert not same_rates_so_far(told(1, 3), told(1, 4), meta, None)
    in_epochs = recipe(4, steps(1, 3))
    assert not same_rates_so_far(in_epochs, recipe(12, steps(1, 3), "max_iters"), meta, ITERS)
