"""The moving average of the weights: mmengine's numbers, and its state."""

from typing import Any

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn

from bag_of_transfer.engine.loop.averages import MovingAverage, MovingAverageHook
from bag_of_transfer.engine.loop.own_parts import own


def network() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 4, 3))
    return net.to(memory_format=torch.channels_last)


def train(net: nn.Module, *averages: ExponentialMovingAverage, steps: int) -> None:
    for _ in range(steps):
        net(torch.rand(2, 3, 9, 9))
        with torch.no_grad():
            for parameter in net.parameters():
                parameter += torch.rand_like(parameter) - 0.5
        for average in averages:
            average.update_parameters(net)


@pytest.mark.parametrize("given", [{}, {"interval": 2}, {"update_buffers": True}])
def test_the_average_and_its_state_are_mmengines(given: dict[str, Any]) -> None:
    net = network()
    ours, theirs = (kind(net, 0.1, **given) for kind in (MovingAverage, ExponentialMovingAverage))
    train(net, ours, theirs, steps=4)
    resumed = MovingAverage(net, 0.1, **given)
    resumed.load_state_dict(theirs.state_dict())
    train(net, ours, theirs, resumed, steps=3)
    state = theirs.state_dict()
    for average in (ours, resumed):
        assert average.state_dict().keys() == state.keys()
        for name, tensor in average.state_dict().items():
            torch.testing.assert_close(tensor, state[name], rtol=1e-6, atol=1e-7)
    assert not torch.equal(state["module.0.weight"], net[0].weight)


@pytest.mark.parametrize("given", [{}, {"update_buffers": True}])
def test_tensors_that_are_copied_at_once_have_one_dtype(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    calls: list[list[set[torch.dtype]]] = []
    copy = torch._foreach_copy_

    def noted(*lists: list[torch.Tensor]) -> None:
        calls.append([{one.dtype for one in tensors} for tensors in lists])
        copy(*lists)

    monkeypatch.setattr(torch, "_foreach_copy_", noted)
    net = network()
    train(net, MovingAverage(net, 0.1, **given), steps=2)
    assert calls
    assert all(len(dtypes) == 1 for call in calls for dtypes in call)


@pytest.mark.parametrize(
    ("stated", "average"),
    [
        ({}, "MovingAverage"),
        ({"ema_type": "MomentumAnnealingEMA"}, "MomentumAnnealingEMA"),
        ({"device": "cpu"}, "ExponentialMovingAverage"),
    ],
)
def test_the_configs_hook_averages_with_ours_where_it_is_the_same(
    stated: dict[str, Any], average: str
) -> None:
    described = own({"type": "EMAHook", "momentum": 0.01, **stated})
    assert described.pop("type") is MovingAverageHook
    assert MovingAverageHook(**described).ema_cfg["type"] == average
