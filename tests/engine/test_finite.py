"""Weights that are no numbers are found before they are saved or judged, and in files."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import safetensors.torch
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.loop.records import RunRecorder
from bag_of_transfer.engine.run.runner import build_runner
from bag_of_transfer.engine.weights import checkpoints
from bag_of_transfer.engine.weights.finite import first_non_finite, lost_tensor
from bag_of_transfer.transfer.tensor_file import read_tensors

NAN, INF = math.nan, math.inf


def holding(value: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor([[0.5, value], [1.0, -2.0]]).to(dtype)


@pytest.mark.parametrize(
    ("name", "tensor", "is_lost"),
    [
        ("a.weight", holding(NAN), True),
        ("a.weight", holding(INF), True),
        ("bn.running_var", holding(-INF, torch.bfloat16), True),
        ("a.weight", holding(NAN, torch.float8_e4m3fn), True),
        ("a.scale", torch.tensor(NAN), True),
        ("a.weight", holding(1e30), False),  # its square is none
        ("a.weight", holding(6e4, torch.float16), False),
        ("a.weight", torch.zeros(0), False),
        ("a.index", torch.tensor([2**40]), False),
        ("text.attn_mask", holding(-INF), False),
        ("text.attn_mask", holding(NAN), True),
        ("mask_head.weight", holding(INF), True),
    ],
)
def test_what_is_no_number(name: str, tensor: torch.Tensor, is_lost: bool) -> None:
    others = {"first": torch.ones(2), name: tensor, "last": holding(NAN)}
    assert first_non_finite(others) == (name if is_lost else "last")


class NamedModule(nn.Module):
    """A network that calls one of its parts ``module``, as a wrapper calls the whole network."""

    def __init__(self) -> None:
        super().__init__()
        self.module, self.head = nn.Linear(2, 2), nn.Linear(2, 1)


@pytest.mark.parametrize("wrap", [lambda network: network, nn.DataParallel])
def test_a_part_called_module_is_not_taken_for_the_network(wrap: Callable[..., Any]) -> None:
    network = NamedModule()
    wrapper = SimpleNamespace(optimizer=torch.optim.SGD(network.parameters(), 0.1))
    runner: Any = SimpleNamespace(model=wrap(network), hooks=[], optim_wrapper=wrapper)
    assert lost_tensor(runner) is None
    nn.init.constant_(network.head.bias, NAN)
    assert lost_tensor(runner) == "head.bias"


# ---- a run ----


@DATASETS.register_module(force=True)
class Ones(Dataset):
    metainfo: ClassVar = {"classes": ("a", "b")}

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"inputs": torch.full((3,), index / 4)}


@MODELS.register_module(force=True)
class Normed(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.bn = torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)

    def forward(self, inputs: torch.Tensor, mode: str = "loss") -> Any:
        out = self.bn(self.fc(inputs))
        return {"loss": (out - 1).square().mean()}


class Spoil(Hook):
    """Write NaN into a tensor after the last step; the loss of that step is a number."""

    priority = "ABOVE_NORMAL"  # after the average, before the checkpoint

    def __init__(self, chosen: Callable[[Runner], torch.Tensor]) -> None:
        self.chosen = chosen

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if runner.iter + 1 == runner.max_iters:
            self.chosen(runner).data.view(-1)[0] = NAN


def train(folder: Path, epochs: int, *hooks: Hook, **more: Any) -> Runner:
    loader = {"batch_size": 2, "num_workers": 0, "dataset": {"type": "Ones"}}
    loader["collate_fn"] = {"type": "default_collate"}
    given: dict[str, Any] = {
        "task": "cls",
        "default_scope": "mmengine",
        "model": {"type": "Normed"},
        "train_dataloader": {**loader, "sampler": {"type": "DefaultSampler", "shuffle": True}},
        "train_cfg": {"by_epoch": True, "max_epochs": epochs},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}},
        "param_scheduler": [],
        "default_hooks": {"checkpoint": {"type": "SafeCheckpointHook", "interval": 1}},
        "custom_hooks": [{"type": "EMAHook"}],
        "randomness": {"seed": 3},
        "work_dir": str(folder),
    }
    runner = build_runner(Config({**given, **more}))
    for hook in (RunRecorder(), *hooks):
        runner.register_hook(hook)
    runner.train()
    return runner


def momentum(runner: Runner) -> torch.Tensor:
    return runner.optim_wrapper.optimizer.state[runner.model.fc.bias]["momentum_buffer"]


def average(runner: Runner) -> torch.Tensor:
    (hook,) = (hook for hook in runner.hooks if hasattr(hook, "ema_model"))
    return hook.ema_model.module.fc.weight


@pytest.mark.parametrize(
    ("chosen", "name"),
    [
        (lambda runner: runner.model.fc.weight, "fc.weight"),
        pytest.param(
            *(lambda runner: runner.model.bn.running_var, "bn.running_var"), marks=pytest.mark.slow
        ),
        pytest.param(*(momentum, "momentum_buffer of fc.bias"), marks=pytest.mark.slow),
        (average, "the average of fc.weight"),
    ],
)
def test_a_run_whose_last_update_is_no_number_keeps_its_earlier_checkpoint(
    tmp_path: Path, chosen: Callable[[Runner], torch.Tensor], name: str
) -> None:
    with pytest.raises(
        UserError, match=rf"first in {name}\): epoch 2, iteration 4: lower"
    ) as ended:
        train(tmp_path, 2, Spoil(chosen))
    assert ended.value.exit_code == 2
    assert {path.name for path in tmp_path.glob("*.pth")} == {"epoch_1.pth"}
    assert checkpoints.find_resumable(tmp_path) == tmp_path / "epoch_1.pth"
    assert not (tmp_path / "metrics.json").exists()


def test_without_checkpoints_the_end_of_the_run_looks_at_the_weights(tmp_path: Path) -> None:
    hooks = {"checkpoint": None}
    with pytest.raises(UserError, match=r"first in fc\.bias\): epoch 1, iteration 2: "):
        train(tmp_path, 1, Spoil(lambda runner: runner.model.fc.bias), default_hooks=hooks)
    assert not (tmp_path / "metrics.json").exists()


# ---- files ----


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder, 2)
    return folder


def copied(run: Path, to: Path, spoil: Callable[[dict[str, Any]], torch.Tensor]) -> Path:
    """Write the run's checkpoints to another folder, the newest with a NaN."""
    for name in ("epoch_1.pth", "epoch_2.pth", "last_checkpoint"):
        (to / name).write_bytes((run / name).read_bytes())
    contents = torch.load(to / "epoch_2.pth")
    spoil(contents).view(-1)[-1] = NAN
    torch.save(contents, to / "epoch_2.pth")
    return to / "epoch_2.pth"


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda c: c["state_dict"]["bn.running_mean"], "bn.running_mean"),
        (lambda c: c["ema_state_dict"]["module.fc.weight"], "ema_state_dict.module.fc.weight"),
        (
            lambda c: c["optimizer"]["state"][1]["momentum_buffer"],
            "optimizer.state.1.momentum_buffer",
        ),
    ],
)
def test_a_checkpoint_that_holds_nan_is_not_resumed_but_the_one_before_it(
    tmp_path: Path, run: Path, spoil: Callable[[dict[str, Any]], torch.Tensor], name: str
) -> None:
    path = copied(run, tmp_path, spoil)
    assert checkpoints.find_resumable(tmp_path) == tmp_path / "epoch_1.pth"
    with pytest.raises(UserError, match=f"^{name} holds NaN or infinity: .*epoch_2.pth: .*earlier"):
        checkpoints.check_resumable(path)
    (tmp_path / "epoch_1.pth").unlink()
    with pytest.raises(RefusedError):
        checkpoints.find_resumable(tmp_path)


def state_of(path: Path) -> object:
    return checkpoints.state_dict_of(checkpoints.load_checkpoint(path), path)


@pytest.mark.parametrize(
    "read", [state_of, read_tensors, lambda path: checkpoints.load_for_mmengine(str(path), "cpu")]
)
def test_no_reader_of_weights_takes_nan(
    tmp_path: Path, run: Path, read: Callable[[Path], object]
) -> None:
    path = copied(run, tmp_path, lambda c: c["state_dict"]["fc.weight"])
    with pytest.raises(UserError, match=r"^fc\.weight holds NaN or infinity"):
        read(path)
    read(tmp_path / "epoch_1.pth")


def test_a_backbone_file_with_nan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    safetensors.torch.save_file({"conv.weight": holding(1), "bn.bias": holding(INF)}, path)
    with pytest.raises(UserError, match=r"^bn\.bias holds NaN or infinity"):
        read_tensors(path)


def test_a_state_that_holds_itself_is_read_to_an_end(tmp_path: Path, run: Path) -> None:
    contents = torch.load(run / "epoch_2.pth")
    contents["optimizer"]["state"]["again"] = contents["optimizer"]["state"]
    torch.save(contents, tmp_path / "epoch_2.pth")
    assert checkpoints.check_resumable(tmp_path / "epoch_2.pth")["epoch"] == 2
