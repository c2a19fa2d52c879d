"""ProgressHook: what a run shows, and what it costs."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from bag_of_transfer.engine import bars, progress
from bag_of_transfer.engine.progress import ProgressHook, Rate


class Line(BaseModel):
    """One weight; the loss is 2 for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        if mode == "loss":
            return {"loss": self.weight.sum() * 0 + 2}
        return [{"guess": one} for one in inputs]


class Half(BaseMetric):
    default_prefix = ""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += data_samples

    def compute_metrics(self, results: list) -> dict[str, float]:
        return {"top1": 50.0, "top5": 75.25}


def loader(num_images: int) -> DataLoader:
    data = [{"inputs": torch.zeros(1)} for _ in range(num_images)]
    return DataLoader(data, batch_size=2, sampler=DefaultSampler(data))


def run(folder: Path, stage: str = "train", **more: Any) -> tuple[Runner, ProgressHook]:
    hook = ProgressHook()
    test = {"test_dataloader": loader(4), "test_cfg": {}, "test_evaluator": Evaluator(Half())}
    val = {"val_dataloader": loader(4), "val_cfg": {}, "val_evaluator": Evaluator(Half())}
    runner = Runner(
        model=Line(),
        work_dir=str(folder),
        train_dataloader=loader(more.pop("num_images", 6)),
        train_cfg=more.pop("train_cfg", {"by_epoch": True, "max_epochs": 2}),
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.05}},
        default_hooks={
            "logger": {"type": "LoggerHook", "interval": 1},
            "checkpoint": None,
            "timer": {"type": "IterTimerHook"},
        },
        custom_hooks=[hook],
        experiment_name=folder.name,
        **(val if more.pop("validates", True) else {}),
        **(test if stage == "test" else {}),
    )
    getattr(runner, stage)()
    return runner, hook


@pytest.fixture
def every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "LINE_EVERY_S", 0.0)
    monkeypatch.setattr(progress, "SHORT_EPOCH_S", 0.0)


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What we print: the lines with bars that are not the log's."""
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if " | " in line and " - mmengine - " not in line]


def test_a_run_tells_epoch_loss_lr_rate_and_time_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], every_line: None
) -> None:
    run(tmp_path)
    rate, clock = r"[\d.]+ (?:k |M )?img/s", r"[\d.]+ s"
    expected = [
        rf"epoch 1/2 \| 3/3 \| loss 2 \| lr 0\.05 \| {rate} \| left {clock}",
        rf"val \| 1/2 \| {rate} \| left {clock}",
        rf"val \| 2/2 \| {rate} \| left 0 s",
        rf"val \| 2/2 \| top1 50\.00 \| top5 75\.25 \| {rate} \| took {clock}",
        rf"epoch 2/2 \| 3/3 \| loss 2 \| lr 0\.05 \| {rate} \| left {clock}",
    ]
    lines = told(capsys)
    for line, pattern in zip(lines, [*expected, *expected[1:4]], strict=True):
        assert re.fullmatch(pattern, line), line


def test_nothing_is_said_twice_and_the_log_file_has_it_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner, _ = run(tmp_path)
    screen, log = capsys.readouterr().out, Path(runner._log_dir, f"{runner.timestamp}.log")
    assert "Epoch(train)" not in screen
    assert "Exp name" not in screen
    assert "Epoch(train)" in log.read_text()
    assert "Epoch(val)" in log.read_text()
    runner.logger.info("after the run")
    assert "after the run" in capsys.readouterr().out


@pytest.mark.parametrize("stage", ["val", "test"])
def test_an_evaluation_alone_tells_its_metrics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    run(tmp_path, stage)
    (line,) = told(capsys)
    assert line.startswith(f"{stage} | 2/2 | top1 50.00 | top5 75.25 | ")


def test_a_loop_that_counts_iterations_is_shown_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], every_line: None
) -> None:
    # One pass over 40 images: mmengine's loop sleeps for two seconds before a second one.
    run(
        tmp_path,
        num_images=40,
        train_cfg={"by_epoch": False, "max_iters": 20, "val_interval": 10},
    )
    lines = [line for line in told(capsys) if line.startswith("train | ")]
    assert [line.split(" | ")[1] for line in lines] == ["10/20", "20/20"]
    assert all("loss 2" in line for line in lines)


def test_very_short_epochs_leave_only_the_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path)
    lines = told(capsys)
    assert [line.split(" | ")[0] for line in lines] == ["val", "epoch 2/2", "val"]


class Loss:
    """Counts how often somebody waits for it."""

    reads = 0

    def __float__(self) -> float:
        self.reads += 1
        return 1.0


class Loop:
    """What the hook asks an epoch-based runner."""

    max_epochs, max_iters, val_begin, val_interval = 2, 200, 1, 1

    def run_epoch(self) -> None: ...


def fake_runner(iteration: int = 0, val: bool = True) -> SimpleNamespace:
    return SimpleNamespace(
        iter=iteration,
        epoch=iteration // 100,
        max_epochs=2,
        max_iters=200,
        train_loop=Loop(),
        train_dataloader=range(100),
        val_loop=object() if val else None,
        val_dataloader=SimpleNamespace(dataset=range(60)),
        optim_wrapper=SimpleNamespace(get_lr=lambda: {"lr": [0.1]}),
    )


@pytest.mark.parametrize(("interval", "reads"), [(10, 10), (30, 4), (1000, 1)])
def test_the_loss_is_read_at_most_every_interval_iterations(
    every_line: None, interval: int, reads: int
) -> None:
    hook, loss, runner = ProgressHook(interval), Loss(), fake_runner()
    hook.before_train_epoch(runner)
    for i in range(100):
        hook.after_train_iter(runner, i, {"inputs": [0]}, {"loss": loss})
    assert loss.reads == reads  # 30: at 30, 60, 90 and the end


def test_the_loss_is_not_read_when_no_line_is_due() -> None:
    hook, loss, runner = ProgressHook(interval=1), Loss(), fake_runner()
    hook.before_train_epoch(runner)
    for i in range(99):
        hook.after_train_iter(runner, i, {"inputs": [0]}, {"loss": loss})
    assert loss.reads == 0


def test_time_left_counts_iterations_and_validations_to_come() -> None:
    hook = ProgressHook()
    for _ in range(20):
        hook._train_rate.add(8, 0.5)  # 16 img/s
    # 150 iterations of 0.5 s; two validations of 60 images at 3 x 16 img/s
    assert hook.time_left(fake_runner(49)) == pytest.approx(75 + 2 * 60 / 48)
    hook._val_seconds = 7.0  # measured by now; one is left
    assert hook.time_left(fake_runner(149)) == pytest.approx(25 + 7)
    assert hook.time_left(fake_runner(149, val=False)) == pytest.approx(25)


@pytest.mark.parametrize(
    ("val_begin", "val_interval", "iteration", "vals"),
    [(1, 1, 0, 2), (1, 2, 0, 1), (2, 1, 0, 1), (1, 5, 0, 1), (1, 1, 150, 1)],
)
def test_validations_to_come(val_begin: int, val_interval: int, iteration: int, vals: int) -> None:
    runner = fake_runner(iteration)
    runner.train_loop.val_begin, runner.train_loop.val_interval = val_begin, val_interval
    assert progress._vals_left(runner) == vals


def test_the_rate_leaves_the_first_iterations_out() -> None:
    rate = Rate()
    for _ in range(5):
        rate.add(4, 10.0)
    assert rate.recent == pytest.approx(0.4)  # nothing else to go by
    for _ in range(30):
        rate.add(4, 0.5)
    assert rate.recent == pytest.approx(8)
    assert rate.iter_seconds == pytest.approx(0.5)


def test_the_recent_rate_follows_a_change() -> None:
    rate = Rate()
    for seconds in (0.5, 1.0):
        for _ in range(105):
            rate.add(4, seconds)
    assert rate.recent == pytest.approx(4)


def test_a_rate_of_nothing_is_zero() -> None:
    assert Rate().recent == Rate().iter_seconds == 0


@pytest.mark.parametrize(
    ("batch", "count"),
    [
        ({"inputs": torch.zeros(3, 1)}, 3),
        ({"inputs": [0, 0]}, 2),
        ((torch.zeros(4, 1), [1]), 4),
        (None, 0),
        ({}, 0),
    ],
)
def test_images_in_a_batch(batch: Any, count: int) -> None:
    assert progress.num_images_of(batch) == count


def test_other_ranks_show_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], every_line: None
) -> None:
    monkeypatch.setattr(progress, "is_main_process", lambda: False)
    hook, runner = ProgressHook(interval=1), fake_runner()
    hook.before_train_epoch(runner)
    hook.after_train_iter(runner, 0, {"inputs": [0]}, {"loss": Loss()})
    assert capsys.readouterr().out == ""


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="interval must be at least 1, got 0"):
        ProgressHook(interval=0)


@pytest.mark.parametrize(
    "train_cfg", [{"by_epoch": True, "max_epochs": 2}, {"by_epoch": False, "max_iters": 6}]
)
def test_a_run_without_validation_tells_its_time_left(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    every_line: None,
    train_cfg: dict[str, Any],
) -> None:
    run(tmp_path, train_cfg=train_cfg, validates=False)
    lines = told(capsys)
    assert "left 0 s" in lines[-1]
    assert not any(line.startswith("val") for line in lines)
