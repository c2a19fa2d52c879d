"""What an update is made of where gradients are accumulated: its batches, its gradient, its rate.

An epoch of 6 batches and 4 of them to an update: epochs end in the middle of an update.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch.utils.data import DataLoader

import bag_of_transfer.engine.schedules  # noqa: F401  registers the warm-up

LR, EPOCHS, BATCHES, COUNT = 0.4, 3, 6, 4
SCHEDULERS = [
    {"type": "GradualWarmup", "end": 8, "by_epoch": False},  # m = 8 batches, 2 updates
    {"type": "CosineAnnealingLR", "begin": 8, "by_epoch": False},
]


class Update(NamedTuple):
    batch: int  # counted from 1 over the whole run
    grad: float
    lr: float


class Slope(BaseModel):
    """Its gradient is the mean of the inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, inputs: torch.Tensor, mode: str = "loss") -> Any:
        return {"loss": self.weight * inputs.mean()}


class CountBatches(Hook):
    batch = 0

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self.batch += 1


@pytest.fixture
def updates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Update]:
    found: list[Update] = []
    count = CountBatches()

    def step(self: OptimWrapper, **_: Any) -> None:
        (group,) = self.optimizer.param_groups
        found.append(Update(count.batch, float(group["params"][0].grad), group["lr"]))

    monkeypatch.setattr(OptimWrapper, "step", step)
    # Batch i of an epoch, counted from 1, has the gradient i.
    data = [{"inputs": torch.tensor([i + 1.0])} for i in range(BATCHES)]
    Runner(
        model=Slope(),
        work_dir=str(tmp_path),
        train_dataloader=DataLoader(data, batch_size=1),
        train_cfg={"by_epoch": True, "max_epochs": EPOCHS},
        optim_wrapper={
            "optimizer": {"type": "SGD", "lr": LR},
            "accumulative_counts": COUNT,
        },
        param_scheduler=SCHEDULERS,
        custom_hooks=[count],
        default_hooks={"checkpoint": None, "logger": None},
        experiment_name=tmp_path.name,
        log_level="ERROR",
    ).train()
    return found


def test_updates_go_on_over_the_end_of_an_epoch(updates: list[Update]) -> None:
    assert [one.batch for one in updates] == [4, 8, 12, 16, 18]
    means = [(1 + 2 + 3 + 4) / 4, (5 + 6 + 1 + 2) / 4, (3 + 4 + 5 + 6) / 4, (1 + 2 + 3 + 4) / 4]
    assert [one.grad for one in updates[:4]] == pytest.approx(means)


def test_the_runs_rest_is_an_update_with_its_own_mean(updates: list[Update]) -> None:
    assert updates[-1].grad == pytest.approx((5 + 6) / 2)


def test_warm_up_has_the_rates_of_as_many_gpus(updates: list[Update]) -> None:
    # Four GPUs have m = 2 batches: lr / 2 and lr.
    assert [one.lr for one in updates[:2]] == pytest.approx([LR / 2, LR])


def test_cosine_counts_batches_and_the_last_of_an_update_counts(updates: list[Update]) -> None:
    # t = 3, 7 and 9 of T = 18 - 8
    wanted = [LR / 2 * (1 + math.cos(math.pi * t / 10)) for t in (3, 7, 9)]
    assert [one.lr for one in updates[2:]] == pytest.approx(wanted)
