"""Logged values that are read late: the same numbers as mmengine's history, without waiting."""

import copy

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub

from bag_of_transfer.engine.loop.history import LENGTH, RecentHistory, history_of, set_length


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_statistics_are_those_of_mmengine(dtype: torch.dtype) -> None:
    ours, theirs = RecentHistory(), HistoryBuffer()
    for number, value in enumerate(torch.randn(LENGTH + 30).to(dtype)):
        ours.add(value)
        theirs.update(value.item())
        if number % 37 == 36:  # read in between
            assert ours.mean(20) == theirs.mean(20)
    for method in ("mean", "min", "max"):
        assert ours.statistics(method, 50) == theirs.statistics(method, 50)
    assert ours.current() == theirs.current()


def test_numbers_and_tensors_of_several_kinds_are_kept_together() -> None:
    history = RecentHistory()
    for value in (torch.tensor(1), torch.tensor([2.5]), 3.0, 4):
        history.add(value)
    history.update(6.0, count=2)
    assert history.data[0].tolist() == [1, 2.5, 3, 4, 6]
    assert history.mean(2) == (4 + 6) / (1 + 2)


def test_only_the_newest_values_are_kept() -> None:
    history = RecentHistory(3)
    for value in range(7):
        history.add(torch.tensor(float(value)))
    assert history.data[0].tolist() == [4, 5, 6]
    history.add(7.0)
    assert history.data[0].tolist() == [5, 6, 7]
    assert np.array_equal(history.data[1], [1, 1, 1])


def test_a_hub_reads_them_like_its_own_and_stores_none() -> None:
    hub = MessageHub("read late")
    set_length(hub, 500)
    history = history_of(hub, "train/loss")
    assert history_of(hub, "train/loss") is history
    assert history.max_length == 500
    history.add(torch.tensor(0.5, requires_grad=True))
    hub.update_scalar("train/loss", 1.5, resumed=False)
    assert hub.get_scalar("train/loss").mean() == 1.0
    assert hub.state_dict()["log_scalars"] == {}
    assert copy.deepcopy(history).current() == 1.5
