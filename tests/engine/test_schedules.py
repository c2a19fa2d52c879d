"""The rates are those of a real Runner's optimiser, noted before each of its steps."""

import math
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import MultiStepLR
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from bag_of_transfer.engine.schedules import ConstantWarmup, GradualWarmup
from tests.lr_curves import lr_curve

EPOCHS, ITERS, LR = 6, 5, 0.4
TOTAL = EPOCHS * ITERS


class OneWeight(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs: torch.Tensor, mode: str = "loss") -> Any:
        return {"loss": (self.weight * inputs.mean()).sum()}


class NoteRates(Hook):
    def __init__(self) -> None:
        self.rates: list[float] = []

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self.rates.append(runner.optim_wrapper.get_lr()["lr"][0])


def rates_of_a_run(work_dir: Path, schedulers: Any, **wrapper: Any) -> list[float]:
    note = NoteRates()
    data = [{"inputs": torch.ones(1)} for _ in range(ITERS)]
    Runner(
        model=OneWeight(),
        work_dir=str(work_dir),
        train_dataloader=DataLoader(data, batch_size=1),
        train_cfg={"by_epoch": True, "max_epochs": EPOCHS},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": LR}, **wrapper},
        param_scheduler=schedulers,
        custom_hooks=[note],
        default_hooks={"checkpoint": None, "logger": None},
        experiment_name=work_dir.name,
        log_level="ERROR",
    ).train()
    assert len(note.rates) == TOTAL
    return note.rates


WARMUP = {"type": "GradualWarmup", "end": 2, "convert_to_iter_based": True}  # m = 10 batches
COSINE = {"type": "CosineAnnealingLR", "begin": 2, "convert_to_iter_based": True}


def test_gradual_warmup_gives_batch_i_of_m_i_times_lr_over_m(tmp_path: Path) -> None:
    rates = rates_of_a_run(tmp_path, [WARMUP])
    # m = 10 and lr = 0.4: 0.04 at the first batch, 0.4 at the tenth and for ever after.
    assert rates[:10] == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28, 0.32, 0.36, 0.4])
    assert rates[10:] == pytest.approx([0.4] * 20)


def test_cosine_counts_from_the_end_of_the_warmup(tmp_path: Path) -> None:
    rates = rates_of_a_run(tmp_path, [WARMUP, COSINE])
    assert rates[9:11] == pytest.approx([0.4, 0.4])  # batch m, and t = 0 at batch m + 1
    assert rates[20] == pytest.approx(0.2)  # t = 10 of T = 20: half way
    assert rates[25] == pytest.approx(0.4 * (0.5 - math.sqrt(2) / 4))  # three quarters: cos 135
    # The last batch has t = T - 1: 0.2 (1 - cos(pi / 20)) = 0.4 sin^2(pi / 40).
    assert rates[-1] == pytest.approx(0.4 * math.sin(math.pi / 40) ** 2)
    for t in range(20):
        assert rates[10 + t] == pytest.approx(0.5 * (1 + math.cos(math.pi * t / 20)) * 0.4)


def test_step_decay_drops_at_its_milestones_after_warmup(tmp_path: Path) -> None:
    step = {"type": "MultiStepLR", "milestones": [3, 5], "gamma": 0.1}
    rates = rates_of_a_run(tmp_path, [WARMUP, step])
    assert rates[0] == pytest.approx(0.04)
    assert rates[14:16] == pytest.approx([0.4, 0.04])  # the third epoch's last, the fourth's first
    assert rates[24:26] == pytest.approx([0.04, 0.004])
    assert rates[-1] == pytest.approx(0.004)


def test_exponential_decay_is_094_every_two_epochs(tmp_path: Path) -> None:
    rates = rates_of_a_run(tmp_path, [{"type": "StepLR", "step_size": 2, "gamma": 0.94}])
    # 0.4, 0.4 x 0.94, 0.4 x 0.94 x 0.94, ten batches each
    assert rates == pytest.approx([0.4] * 10 + [0.376] * 10 + [0.35344] * 10)


def test_exponential_decay_goes_on_under_the_warmup(tmp_path: Path) -> None:
    warmup = {**WARMUP, "end": 3}  # 15 batches; the first drop falls into them, at batch 11
    rates = rates_of_a_run(tmp_path, [warmup, {"type": "StepLR", "step_size": 2, "gamma": 0.94}])
    assert rates[9] == pytest.approx(10 * 0.4 / 15)
    assert rates[10] == pytest.approx(11 * 0.376 / 15)
    assert rates[15:20] == pytest.approx([0.376] * 5)


def test_constant_warmup_holds_all_its_batches(tmp_path: Path) -> None:
    warmup = {"type": "ConstantWarmup", "factor": 0.25, "end": 7, "by_epoch": False}
    cosine = {"type": "CosineAnnealingLR", "begin": 7, "by_epoch": False}
    rates = rates_of_a_run(tmp_path, [warmup, cosine])
    assert rates[:7] == pytest.approx([0.1] * 7)
    assert rates[7] == pytest.approx(0.4)  # t = 0
    assert rates[-1] == pytest.approx(0.2 * (1 + math.cos(math.pi * 22 / 23)))  # T = 30 - 7


def test_mmengines_constant_lr_ends_a_batch_early() -> None:
    """Why ConstantWarmup exists; when this fails, mmengine's will do."""
    theirs = lr_curve({"type": "ConstantLR", "factor": 0.25, "end": 7, "by_epoch": False}, LR, 2, 5)
    assert theirs == pytest.approx([0.1] * 6 + [0.4] * 4)


@pytest.mark.parametrize("kind", ["GradualWarmup", "ConstantWarmup"])
def test_a_warmup_of_one_batch_returns_to_lr(kind: str) -> None:
    first, *others = lr_curve({"type": kind, "end": 1, "by_epoch": False}, LR, 1, 4)
    assert first == pytest.approx(LR if kind == "GradualWarmup" else 0.1 * LR)
    assert others == pytest.approx([LR] * 3)


def test_a_fraction_of_an_epoch_is_allowed() -> None:
    warmup = {"type": "GradualWarmup", "end": 0.5, "convert_to_iter_based": True}
    cosine = {"type": "CosineAnnealingLR", "begin": 0.5, "convert_to_iter_based": True}
    rates = lr_curve([warmup, cosine], 1.0, 1, 8)
    # m = 4, then t = 0..3 of T = 4
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[4:] == pytest.approx([1, 0.5 + math.sqrt(2) / 4, 0.5, 0.5 - math.sqrt(2) / 4])


def test_a_long_warmup_does_not_drift() -> None:
    m = 6255  # five epochs of ImageNet at 1024 images; the rate is a product of 6255 factors
    rates = lr_curve({"type": "GradualWarmup", "end": m, "by_epoch": False}, LR, 1, m + 2)
    assert rates[3000] == pytest.approx(3001 * LR / m, rel=1e-9)
    assert rates[-1] == pytest.approx(LR, rel=1e-9)


@pytest.mark.parametrize("kind", ["GradualWarmup", "ConstantWarmup"])
def test_epochs_as_the_unit_of_a_warmup_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="say by_epoch=False"):
        lr_curve({"type": kind, "end": 5}, LR, 6, 5)


@pytest.mark.parametrize("kind", ["GradualWarmup", "ConstantWarmup"])
def test_an_empty_warmup_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"end (should|must) be larger than begin"):
        lr_curve({"type": kind, "begin": 5, "end": 5, "by_epoch": False}, LR, 6, 5)


@pytest.mark.parametrize("factor", [0, 1, 1.5])
def test_a_constant_warmup_factor_outside_0_and_1_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match=r"factor must be in \(0, 1\)"):
        lr_curve(
            {"type": "ConstantWarmup", "factor": factor, "end": 5, "by_epoch": False}, LR, 6, 5
        )


@PARAM_SCHEDULERS.register_module()
class HalvesAfterItsEnd(MultiStepLR):
    def step(self) -> None:
        super().step()
        if self._global_step == self.end + 3:
            self.optimizer.param_groups[0]["lr"] /= 2


@pytest.mark.parametrize(
    "schedulers",
    [
        None,
        [WARMUP, COSINE],
        [WARMUP, {"type": "MultiStepLR", "milestones": [3, 5], "gamma": 0.1}],
        {"type": "PolyLR", "power": 0.9, "eta_min": 1e-4, "by_epoch": False},
        [
            {"type": "LinearLR", "start_factor": 0.5, "begin": 3, "end": 9, "by_epoch": False},
            {"type": "CosineAnnealingLR", "begin": 7, "end": 18, "by_epoch": False},
            {"type": "ExponentialLR", "gamma": 0.9, "begin": 1, "end": 4},
        ],
        {"type": "HalvesAfterItsEnd", "milestones": [2], "end": 4, "by_epoch": False},
    ],
    ids=["none", "cosine", "step", "poly", "gaps and overlaps", "a step of its own"],
)
def test_the_curve_is_what_a_run_does(tmp_path: Path, schedulers: Any) -> None:
    wanted = rates_of_a_run(tmp_path, schedulers)
    assert lr_curve(schedulers, LR, EPOCHS, ITERS) == pytest.approx(wanted, rel=1e-12)


def test_accumulated_gradients_leave_the_schedule_alone(tmp_path: Path) -> None:
    rates = rates_of_a_run(tmp_path, [WARMUP, COSINE], accumulative_counts=5)
    assert rates == pytest.approx(lr_curve([WARMUP, COSINE], LR, EPOCHS, ITERS))


@pytest.mark.parametrize("scope", ["mmengine", "mmdet", "mmseg"])
def test_the_warmups_are_found_from_every_task(scope: str) -> None:
    if scope == "mmdet":
        import_module("bag_of_transfer.detection")  # mmdet needs its stand-in for mmcv's operators
    import_module(f"{scope}.registry")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    with DefaultScope.overwrite_default_scope(scope):
        for wanted in (GradualWarmup, ConstantWarmup):
            cfg = {"type": wanted.__name__, "end": 4, "by_epoch": False, "optimizer": optimizer}
            assert type(PARAM_SCHEDULERS.build(cfg)) is wanted
