"""Steps that are left out because their loss or gradient is no number change nothing."""

import json
import math
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch.utils.data import Dataset

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop import non_finite, skipped_steps, update
from bag_of_transfer.engine.loop.fused import one_group_per_setting
from bag_of_transfer.engine.loop.records import RunRecorder
from bag_of_transfer.engine.run.runner import build_runner
from bag_of_transfer.engine.weights import checkpoint_hook

CHECKPOINT = checkpoint_hook.SafeCheckpointHook.__name__
SKIP = {"on": "skip", "most": 4, "in_a_row": 2}


@DATASETS.register_module(force=True)
class Kinds(Dataset):
    """Eight images of three values; of some, the loss or its gradient is no number."""

    metainfo: ClassVar = {"classes": ("a", "b")}

    def __init__(self, kinds: str = "........") -> None:
        self.kinds = kinds

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        kind, value = self.kinds[index], torch.full((2, 3), index / 7)
        value[0] += torch.tensor([1.0, 0.0, 2.0])
        value[0, 0] = math.nan if kind == "n" else value[0, 0]
        return {"inputs": value, "kind": torch.tensor("gi".find(kind))}


@MODELS.register_module(force=True)
class Fragile(BaseModel):
    """A loss with a part that is infinite (kind i), or has an infinite gradient (kind g)."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.bn = torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)

    def forward(self, inputs: torch.Tensor, kind: torch.Tensor, mode: str = "loss") -> Any:
        out = self.bn(self.fc(inputs.flatten(0, 1)))
        at_zero = (self.fc.bias - self.fc.bias.detach()).abs().sqrt().sum() * 1.0
        return {
            "loss": (out - 1).square().mean(),
            "loss_gradient": at_zero if (kind == 0).any() else out.sum() * 0,
            "loss_part": torch.tensor(math.inf if (kind == 1).any() else 0.0),
        }


class States(Hook):
    """Keeps a copy of all that a step may change, after each."""

    priority = "VERY_LOW"

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        state = {name: one.clone() for name, one in runner.model.state_dict().items()}
        for hook in runner.hooks:
            if hasattr(hook, "ema_model"):
                averages = hook.ema_model.module.state_dict()
                state |= {f"average {name}": one.clone() for name, one in averages.items()}
        optimizer = runner.optim_wrapper.optimizer
        for number, param in enumerate(runner.model.parameters()):
            for key, value in optimizer.state[param].items():
                state[f"{key} {number}"] = value.clone()
        self.states.append(state)


def train(
    folder: Path, kinds: str, stated: dict[str, Any] | None, train_cfg: Any = None, **more: Any
) -> list[dict[str, torch.Tensor]]:
    """Train on batches of one image, in order; return the states after each step."""
    loader = {"batch_size": 1, "num_workers": 0, "dataset": {"type": "Kinds", "kinds": kinds}}
    loader["collate_fn"] = {"type": "default_collate"}
    sgd = {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "fused": True}
    given: dict[str, Any] = {
        "task": "cls",
        "default_scope": "mmengine",
        "model": {"type": "Fragile"},
        "train_dataloader": {**loader, "sampler": {"type": "DefaultSampler", "shuffle": False}},
        "train_cfg": train_cfg or {"by_epoch": True, "max_epochs": 1},
        "optim_wrapper": {"optimizer": sgd},
        "default_hooks": {
            "checkpoint": {"type": CHECKPOINT, "interval": 1},
            "logger": {"type": "LoggerHook", "interval": 2},
        },
        "custom_hooks": [{"type": "EMAHook", "momentum": 0.25}],
        "randomness": {"seed": 3},
        "work_dir": str(folder),
        "non_finite": stated,
    }
    cfg = Config({**given, **more})
    non_finite.follow_non_finite(cfg)
    runner, states = build_runner(cfg), States()
    for hook in (RunRecorder(), non_finite.SkipNonFinite(), states):
        runner.register_hook(hook)
    runner.train()
    return states.states


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


ADAMW = {"type": "AdamW", "lr": 0.1, "fused": True}


@pytest.mark.parametrize("optimizer", [None, pytest.param(ADAMW, marks=pytest.mark.slow)])
def test_a_step_that_is_left_out_changes_nothing(tmp_path: Path, optimizer: Any) -> None:
    more = {"optim_wrapper": {"optimizer": optimizer}} if optimizer else {}
    states = train(tmp_path, "..n.gi..", SKIP, **more)
    kept = [same(now, before) for now, before in zip(states[1:], states, strict=False)]
    # The state after step n + 2 against that before it.
    assert kept == [False, True, False, True, True, False, False]
    assert all(one.isfinite().all() for state in states for one in state.values())
    (line,) = (json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines())
    assert line["skipped_steps"] == 3
    assert math.isfinite(line["loss"])
    assert json.loads((tmp_path / "metrics.json").read_text())["skipped_steps"] == 3
    info = torch.load(tmp_path / "epoch_1.pth")["message_hub"]["runtime_info"]
    assert info["skipped_steps"] == 3


def test_a_first_step_that_is_left_out_leaves_no_trace_either(tmp_path: Path) -> None:
    torch.use_deterministic_algorithms(True)  # fills new memory with NaN
    try:
        states = train(tmp_path, "n.", SKIP)
    finally:
        torch.use_deterministic_algorithms(False)
    assert not states[0]["momentum_buffer 0"].any()
    assert states[1]["momentum_buffer 0"].isfinite().all()


def test_without_such_a_step_the_run_is_the_one_that_would_stop(tmp_path: Path) -> None:
    asked = train(tmp_path / "skip", "........", SKIP)
    default = train(tmp_path / "stop", "........", None)
    assert all(same(one, other) for one, other in zip(asked, default, strict=True))
    assert "skipped_steps" not in json.loads((tmp_path / "stop" / "metrics.json").read_text())


def test_an_update_of_several_batches_is_left_out_as_a_whole(tmp_path: Path) -> None:
    wrapper = {
        "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9, "fused": True},
        "accumulative_counts": 2,
    }
    states = train(tmp_path, "..n...", SKIP, optim_wrapper=wrapper, custom_hooks=[])
    assert same(states[1], states[3])
    assert not same(states[3], states[5])


def test_a_step_that_another_process_leaves_out_is_left_out_here_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags: list[float] = []

    def with_another(flag: torch.Tensor, op: str) -> None:
        assert op == "max"
        flags.append(float(flag))
        flag.fill_(len(flags) == 2)

    monkeypatch.setattr(skipped_steps, "all_reduce", with_another)
    states = train(tmp_path, "...", SKIP)
    assert flags == [0, 0, 0]
    assert same(states[0], states[1])
    assert not same(states[1], states[2])


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ("..nnn...", "in 3 steps in a row: iteration 5: .* raise non_finite.in_a_row"),
        pytest.param(
            *("n.n.n.nn", "in 5 steps in all: iteration 8: .* raise non_finite.most"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_too_many_end_the_run(tmp_path: Path, kinds: str, said: str) -> None:
    with pytest.raises(UserError, match=f"the loss is no number, or the gradient, {said}"):
        train(tmp_path, kinds, SKIP)
    assert not list(tmp_path.glob("*.pth"))


def test_an_epoch_without_any_number_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the loss is nan"):
        train(tmp_path, "nn", SKIP)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("skip", "'skip' is not a dict: non_finite"),
        ({}, "None is not a valid value: non_finite.on"),
        ({"on": "ignore"}, "'ignore' is not a valid value: non_finite.on"),
        ({"on": "skip", "max": 3}, "unknown key 'max': non_finite"),
        ({"on": "skip", "most": 0}, "0 is not a valid value: non_finite.most"),
        ({"on": "skip", "in_a_row": True}, "True is not a valid value: non_finite.in_a_row"),
        ({"on": "stop", "most": 3}, "the run stops at the first one: non_finite.most"),
    ],
)
def test_a_wrong_option_is_refused(stated: Any, said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}"):
        non_finite.follow_non_finite(Config({"non_finite": stated}))


@pytest.mark.parametrize(
    "more",
    [
        {"optim_wrapper": {"optimizer": {"type": "RMSprop", "lr": 0.1}}},
        {"custom_hooks": [{"type": "EMAHook", "ema_type": "StochasticWeightAverage"}]},
    ],
)
def test_what_cannot_leave_a_step_out_is_refused_before_the_first(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"cannot leave a step out on the device: non_finite\.on"):
        train(tmp_path, "..", SKIP, **more)


def test_loss_scaling_decides_about_gradients_and_leaves_out_a_loss_that_is_none() -> None:
    """On a CPU there is no AmpOptimWrapper: this is what ScaledUpdate does, by hand."""
    network = torch.nn.Linear(3, 1)
    sgd = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, fused=True)
    wrapper = update.ScaledUpdate.__new__(update.ScaledUpdate)
    vars(wrapper).update(optimizer=sgd, _accumulative_counts=1, _max_counts=-1, _inner_count=0)
    vars(wrapper).update(
        clip_grad_kwargs={}, _scale_update_param=None, skipped=skipped_steps.SkippedSteps()
    )
    wrapper.loss_scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    counts, moved = [], []
    for part, factor in ((0.0, 1.0), (math.inf, 1.0), (0.0, 1.0), (0.0, 3e38)):
        before = network.weight.detach().clone()
        out = network(torch.ones(2, 3)).sum()
        # The loss is 0, and its gradient is the factor's, which overflows in the end.
        wrapper.update_params((out - out.detach()) * factor + part)
        counts.append(float(wrapper.skipped.counts))
        moved.append(not torch.equal(before, network.weight))
    assert counts == [1, 0, 1, 1]
    assert moved == [True, False, True, False]


def test_momentum_begins_with_zeros_where_the_first_step_is_left_out() -> None:
    weight = torch.nn.Parameter(torch.ones(1000))
    sgd = torch.optim.SGD([weight], 0.1, momentum=0.9, fused=True)
    sgd.found_inf = torch.ones(())  # as loss scaling says it
    weight.grad = torch.full_like(weight, math.nan)
    torch.use_deterministic_algorithms(True)  # fills new memory with NaN
    try:
        with one_group_per_setting(sgd):
            sgd.step()
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(sgd.state[weight]["momentum_buffer"], torch.zeros(1000))
