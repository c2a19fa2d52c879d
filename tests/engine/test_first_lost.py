"""Where a network's numbers are lost: in a layer, in a loss, in a gradient."""

import contextlib
import math
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from torch import nn

from bag_of_transfer.engine.loop.update import Update
from bag_of_transfer.engine.run.first_lost import _nothing_kept, look_at


class Root(nn.Module):
    """Its gradient at 0 is infinite, and NaN if that is multiplied by 0."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - x.detach()).sqrt() * self.factor


class Chain(BaseModel):
    def __init__(self, middle: nn.Module, part: float = 0.0) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(2, 2), middle, nn.Linear(2, 1)
        self.part = part

    def forward(self, inputs: torch.Tensor, mode: str = "loss") -> dict[str, Any]:
        out = self.last(self.middle(self.first(inputs)) + nn.functional.dropout(inputs))
        return {"loss_out": out.mean(), "loss_part": torch.tensor(self.part), "acc": out.sum()}


class Log(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 0).log()


def test_only_the_generator_of_the_own_gpu_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[list[int]] = []

    def fork_rng(devices: list[int]) -> Any:
        kept.append(devices)
        return contextlib.nullcontext()

    monkeypatch.setattr(torch.random, "fork_rng", fork_rng)
    network = Chain(nn.Identity())
    wrapper = Update(torch.optim.SGD(network.parameters(), 0.1))
    look_at(network, {"inputs": torch.ones(3, 2)}, wrapper)
    for name, found in {"is_available": True, "device_count": 4, "current_device": 2}.items():
        monkeypatch.setattr(torch.cuda, name, lambda found=found: found)
    with _nothing_kept(network):
        pass
    assert kept == [[], [2]]


@pytest.mark.parametrize(
    ("network", "place"),
    [
        (Chain(nn.Identity()), ""),
        (Chain(Log()), "forward, the output of middle (Log) holds infinity"),
        (
            Chain(nn.Identity(), math.inf),
            "forward, loss, loss_part; the outputs of all layers are finite",
        ),
        (
            Chain(Root(1.0)),
            "backward, the gradient of the output of first (Linear) holds infinity",
        ),
        (
            Chain(Root(0.0)),
            "backward, the gradient of the output of first (Linear) holds NaN "
            "(operation SqrtBackward0)",
        ),
    ],
)
def test_the_first_place_is_named(network: Chain, place: str) -> None:
    network.first.weight.grad = torch.ones(2, 2)  # of an earlier batch of the same update
    torch.manual_seed(0)
    wrapper = Update(torch.optim.SGD(network.parameters(), 0.1))
    seen = look_at(network, {"inputs": torch.ones(3, 2)}, wrapper)
    assert seen.place == place
    assert seen.losses.keys() == {"loss", "loss_out", "loss_part"}
    assert torch.equal(network.first.weight.grad, torch.ones(2, 2))
    assert network.last.weight.grad is None
    drawn = torch.rand(())
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(()))
