"""Our loops, hooks and update: the same run as with mmengine's, without waiting for the device."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import Dataset

from bag_of_transfer.engine.loop.loops import HookCalls, total_loss
from bag_of_transfer.engine.loop.non_finite import SkipNonFinite
from bag_of_transfer.engine.loop.records import RunRecorder
from bag_of_transfer.engine.progress import ProgressHook
from bag_of_transfer.engine.run.runner import build_runner

EPOCH = {"by_epoch": True, "max_epochs": 2}
ITERS = {"type": "IterBasedTrainLoop", "max_iters": 12, "val_interval": 6}


@DATASETS.register_module(force=True)
class Numbers(Dataset):
    metainfo: ClassVar = {"classes": ("a", "b")}

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"inputs": torch.full((3,), index / 12)}

    def path(self, index: int) -> str:
        return f"{index}.png"


@MODELS.register_module(force=True)
class TwoLosses(BaseModel):
    def __init__(self, lost: float = 2.0) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)
        torch.nn.init.ones_(self.fc.weight)
        self.lost = lost

    def forward(self, inputs: torch.Tensor, mode: str = "loss") -> Any:
        out = self.fc(inputs)
        if mode == "predict":
            return [*out]
        bad = torch.where((inputs == self.lost).any(), torch.nan, 1)
        return {"loss_a": out.square().mean() * bad, "loss_b": [out.abs(), out], "acc": out.mean()}


def config(folder: Path, train_cfg: dict[str, Any], **more: Any) -> Config:
    loader = {"batch_size": 2, "num_workers": 0, "dataset": {"type": "Numbers"}}
    loader["collate_fn"] = {"type": "default_collate"}
    given: dict[str, Any] = {
        "task": "cls",
        "default_scope": "mmengine",
        "model": {"type": "TwoLosses"},
        "train_dataloader": {**loader, "sampler": {"type": "DefaultSampler", "shuffle": True}},
        "train_cfg": train_cfg,
        "optim_wrapper": {
            "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
            "clip_grad": {"max_norm": 1.0},
        },
        "param_scheduler": {"type": "LinearLR", "end": 4, "by_epoch": False},
        "default_hooks": {"logger": {"type": "LoggerHook", "interval": 3}},
        "randomness": {"seed": 3},
        "work_dir": str(folder),
        "experiment_name": str(folder),
    }
    return Config({**given, **more})


def numbers_of(runner: Runner) -> list[dict[str, float]]:
    (log,) = Path(runner._log_dir).rglob("scalars.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [{k: v for k, v in line.items() if "time" not in k} for line in lines]


@pytest.mark.parametrize("train_cfg", [EPOCH, ITERS], ids=["epochs", "iterations"])
@pytest.mark.parametrize("counts", [1, 4])
def test_weights_and_log_are_those_of_mmengines_parts(
    tmp_path: Path, train_cfg: dict[str, Any], counts: int
) -> None:
    runs = []
    for build in (build_runner, Runner.from_cfg):
        cfg = config(tmp_path / build.__name__, dict(train_cfg))
        cfg.optim_wrapper.accumulative_counts = counts
        # Six batches are a pass: mmengine's loop sleeps before a second one.
        cfg.train_cfg = {k: 6 if k == "max_iters" else v for k, v in cfg.train_cfg.items()}
        runner = build(cfg)
        runner.train()
        runs.append((runner, numbers_of(runner)))
    (ours, our_log), (theirs, their_log) = runs
    assert type(ours.train_loop).__module__.startswith("bag_of_transfer")
    assert type(theirs.train_loop).__module__.startswith("mmengine")
    for name, tensor in theirs.model.state_dict().items():
        assert torch.equal(tensor, ours.model.state_dict()[name])
    assert their_log
    assert our_log == their_log


@METRICS.register_module(force=True)
class Tenth(BaseMetric):
    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        return {"top1": len(results) / 10}


@pytest.mark.parametrize(("train_cfg", "steps"), [(EPOCH, [1, 2]), (ITERS, [6, 12])])
def test_a_validation_is_logged_at_its_epoch_or_iteration(
    tmp_path: Path, train_cfg: dict[str, Any], steps: list[int]
) -> None:
    cfg = config(tmp_path, dict(train_cfg))
    loader = {**cfg.train_dataloader, "sampler": {"type": "DefaultSampler", "shuffle": False}}
    val = {"val_dataloader": loader, "val_cfg": {}, "val_evaluator": {"type": "Tenth"}}
    runner = build_runner(Config({**cfg, **val}))
    runner.train()
    assert [line["step"] for line in numbers_of(runner) if "top1" in line] == steps


class Waits(TorchDispatchMode):
    """Counts the numbers that are read from tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += "_local_scalar_dense" in str(op) or str(op).startswith("aten.is_nonzero")
        return op(*args, **(kwargs or {}))


class CountWaits(Hook):
    """Notes how many reads there were up to the end of each iteration."""

    priority = "LOWEST"

    def __init__(self, waits: Waits) -> None:
        self.waits = waits
        self.after: list[int] = []

    def before_train_iter(self, runner: Runner, **_: Any) -> None:
        self.after = self.after or [self.waits.count]  # a sampler reads its order before

    def after_train_iter(self, runner: Runner, **_: Any) -> None:
        self.after.append(self.waits.count)


@pytest.fixture
def tolist_counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waits]:
    """Count ``tolist`` as well: it reads the memory of a tensor on a CPU directly."""
    waits, tolist = Waits(), torch.Tensor.tolist

    def counted(tensor: torch.Tensor) -> Any:
        waits.count += 1
        return tolist(tensor)

    monkeypatch.setattr(torch.Tensor, "tolist", counted)
    with waits:
        yield waits


@pytest.mark.parametrize("skip", [False, True])
def test_nothing_waits_for_the_device_between_the_logs_points(
    tmp_path: Path, tolist_counts: Waits, skip: bool
) -> None:
    cfg = config(tmp_path, {"by_epoch": True, "max_epochs": 1})
    cfg.train_dataloader.batch_size, cfg.default_hooks.logger.interval = 1, 4
    cfg.optim_wrapper.optimizer.fused = True
    cfg.non_finite = {"on": "skip"} if skip else None
    runner = build_runner(cfg)
    hook = CountWaits(tolist_counts)
    for more in (RunRecorder(), ProgressHook(interval=4), SkipNonFinite(), hook):
        runner.register_hook(more)
    runner.train()
    read = [after - before for before, after in zip(hook.after, hook.after[1:], strict=False)]
    assert len(read) == 12
    assert [index + 1 for index, count in enumerate(read) if count] == [4, 8, 12]


def test_the_iteration_and_the_images_of_a_lost_loss_are_named(tmp_path: Path) -> None:
    cfg = config(tmp_path, {"by_epoch": True, "max_epochs": 2})
    cfg.model.lost = 7 / 12
    runner = build_runner(cfg)
    seen = []

    class Seen(Hook):
        def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
            seen.append([round(float(one) * 12) for one in data_batch["inputs"][:, 0]])

    runner.register_hook(Seen())
    runner.register_hook(RunRecorder())
    with pytest.raises(Exception, match="the loss is nan") as ended:
        runner.train()
    (bad,) = [index for index, batch in enumerate(seen) if 7 in batch]
    names = ", ".join(f"{index}.png" for index in seen[bad])
    assert f"epoch 1, iteration {bad + 1}, {names}: " in str(ended.value)
    assert len(seen) == 3 * (bad // 3 + 1)  # up to the log's next point


@pytest.mark.parametrize("last", [None, False])
def test_images_get_the_layout_of_the_network(tmp_path: Path, last: bool | None) -> None:
    runner = build_runner(config(tmp_path, dict(EPOCH), channels_last=last))
    layout = torch.channels_last if last is None else torch.contiguous_format
    images = torch.rand(2, 3, 4, 5)
    inputs = runner.model.data_preprocessor({"inputs": images}, True)["inputs"]
    assert inputs.is_contiguous(memory_format=layout)
    assert torch.equal(inputs, images)
    assert runner.cfg.channels_last is (last is None)


def test_hooks_are_called_where_they_do_something_also_those_that_come_later(
    tmp_path: Path,
) -> None:
    called = []

    class Noted(Hook):
        def __init__(self, name: str, priority: str) -> None:
            self.name, self.priority = name, priority

        def _after_iter(self, runner: Runner, **_: Any) -> None:
            called.append(self.name)

    class Idle(Hook):
        def before_train(self, runner: Runner) -> None: ...

        def after_train_iter(self, runner: Runner, **_: Any) -> None:
            called.append("idle")

        def get_triggered_stages(self) -> list[str]:
            return ["before_train"]

    runner = Runner.from_cfg(config(tmp_path, dict(EPOCH)))
    runner._hooks.clear()
    call = HookCalls(runner)
    for hook in (Noted("second", "LOW"), Idle()):
        runner.register_hook(hook)
    call("after_train_iter", batch_idx=0)
    runner.register_hook(Noted("first", "HIGH"))
    call("after_train_iter", batch_idx=1)
    call("before_train_iter", batch_idx=1)
    assert called == ["second", "first", "second"]


@pytest.mark.parametrize(
    "losses",
    [
        {"loss": torch.tensor(0.3)},
        {"loss_a": torch.tensor(0.1), "loss_b": torch.rand(2, 3), "acc": torch.tensor([0.7])},
        {"loss_rpn": [torch.tensor(0.1), torch.rand(4)], "loss": torch.tensor(0.2)},
    ],
)
def test_the_total_loss_is_mmengines_bit_by_bit(losses: dict[str, Any]) -> None:
    ours, logged = total_loss(losses)
    theirs, their_log = TwoLosses().parse_losses(losses)
    assert torch.equal(ours, theirs)
    assert list(logged) == list(their_log)
    assert all(torch.equal(logged[name], their_log[name]) for name in logged)


def test_what_is_no_loss_is_refused() -> None:
    with pytest.raises(TypeError, match="loss_a is not a tensor or list of tensors"):
        total_loss({"loss_a": 0.5})
