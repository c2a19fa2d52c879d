"""The curve's rate and loss, a loss that is lost, and the seconds of a resumed run."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from torch.utils.data import DataLoader

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.loop import loss_watch, records
from bag_of_transfer.engine.loop.details import Details
from bag_of_transfer.engine.loop.details_hook import DetailsRecorder
from bag_of_transfer.engine.loop.running_loss import RunningLoss
from bag_of_transfer.engine.run_files import read_curve

SAVED: dict[str, Any] = {"meta": {"iter": 3}}
ONE = np.ones(1)
DETAILS = Details("IoU", "pixels", ["a"], ONE, ONE, ONE, ONE, np.ones((1, 1)), "", ONE)


def fake_runner(folder: Path, **more: Any) -> SimpleNamespace:
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    given: dict[str, Any] = dict(
        model=network,
        seed=0,
        cfg=Config({"task": "cls"}),
        message_hub=SimpleNamespace(log_scalars={}, get_info=lambda key, default: default),
        iter=3,
        epoch=0,
        hooks=[],
        work_dir=str(folder),
        _load_from=None,
        train_loop=SimpleNamespace(run_epoch=None),
        train_dataloader=DataLoader(range(15), batch_size=5),
        optim_wrapper=SimpleNamespace(get_lr=lambda: {"lr": [0.1]}, optimizer=optimizer),
    )
    return SimpleNamespace(**{**given, **more})


def feed(recorder: records.RunRecorder, runner: SimpleNamespace, losses: list[float]) -> None:
    """Train an epoch, of which ``runner.iter`` is the end."""
    recorder.before_train_epoch(runner)
    begin = runner.iter - len(losses)
    for index, loss in enumerate(losses):
        runner.iter = begin + index
        recorder.before_train_iter(runner, index)
        batch = {"inputs": torch.zeros(5, 1)}
        recorder.after_train_iter(runner, index, batch, {"loss": torch.tensor(loss)})
    runner.iter = begin + len(losses)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(0, 100, 2))  # a call every two seconds
    monkeypatch.setattr(records.time, "perf_counter", lambda: float(next(times)))


@pytest.mark.parametrize("world_size", [1, 4])
def test_images_of_all_processes_are_counted(
    world_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: None
) -> None:
    monkeypatch.setattr(records, "get_world_size", lambda: world_size)
    recorder, runner = records.RunRecorder(), fake_runner(tmp_path)
    feed(recorder, runner, [0.5, 1.5, 2.5])
    recorder.after_train_epoch(runner)
    (line,) = recorder._lines
    # Two batches of 5 behind the first one, in the 2 s between its end and the line.
    assert line["img_per_s"] == world_size * 10 / 2
    assert line["loss"] == 1.5


def test_saving_asks_no_other_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only rank 0 saves: the others would not take part.
    for module in (records, loss_watch):
        monkeypatch.setattr(module, "mean_over_processes", lambda _: pytest.fail("it would hang"))
    recorder, runner = records.RunRecorder(), fake_runner(tmp_path)
    feed(recorder, runner, [0.5])
    recorder.before_save_checkpoint(runner, SAVED)


@pytest.mark.parametrize("lost", [float("nan"), float("inf"), float("-inf")])
def test_a_lost_loss_stops_the_run_before_a_checkpoint(tmp_path: Path, lost: float) -> None:
    recorder, runner = records.RunRecorder(), fake_runner(tmp_path, iter=6)
    feed(recorder, runner, [0.5, 1.5, lost])
    mend = "lower optim_wrapper.optimizer.lr or lengthen the warm"
    said = rf"^the loss is {lost}: epoch 2, iteration 6: {mend}"
    with pytest.raises(UserError, match=said):
        recorder.before_save_checkpoint(runner, SAVED)
    with pytest.raises(UserError, match=said):
        recorder.after_train_epoch(runner)
    assert recorder._lines == []


def test_a_step_that_overflowed_and_was_left_out_is_no_reason_to_stop(tmp_path: Path) -> None:
    recorder, runner = records.RunRecorder(), fake_runner(tmp_path)
    feed(recorder, runner, [0.5, float("inf"), 2.5])
    recorder.before_save_checkpoint(runner, SAVED)
    recorder.after_train_epoch(runner)
    assert recorder._lines[0]["loss"] == 1.5
    recorder.before_save_checkpoint(runner, SAVED)  # the best one, after the validation


def test_a_run_that_goes_on_is_not_called_done_by_its_earlier_end(tmp_path: Path) -> None:
    recorder, runner = records.RunRecorder(), fake_runner(tmp_path)
    (tmp_path / "metrics.json").write_text("{}")
    recorder.before_train(runner)
    assert (tmp_path / "metrics.json").exists()  # a resumed run may have no step left
    feed(recorder, runner, [0.5])
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize(("iteration", "kept"), [(0, 0.0), (3, 10.5), (6, 31.0)])
def test_seconds_count_what_a_resumed_run_keeps(
    tmp_path: Path, clock: None, iteration: int, kept: float
) -> None:
    lines = [
        {"epoch": one + 1, "iter": 3 * one + 3, "seconds": seconds, "img_per_s": 1.0}
        for one, seconds in enumerate((10.5, 20.5))
    ]
    (tmp_path / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "last_checkpoint").write_text("gone.pth")
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=[0] * 4))
    evaluator = SimpleNamespace(metrics=[])
    runner = fake_runner(
        tmp_path,
        iter=iteration,
        cfg=Config({"task": "cls"}),
        val_loop=loop,
        val_evaluator=evaluator,
        message_hub=MessageHub("seconds"),
        seed=0,
    )
    recorder = records.RunRecorder()
    recorder.before_train(runner)
    recorder.after_val_epoch(runner, {"top1": 50.0})
    recorder.after_train(runner)
    record = json.loads((tmp_path / "metrics.json").read_text())
    # The clock is read at the start, where the validation ends, and at the end: 2 s each.
    assert record["seconds"] == kept + 4


def test_a_run_that_mmengine_resumes_by_itself_keeps_its_curve(tmp_path: Path) -> None:
    runner = fake_runner(tmp_path)  # resume=True without load_from
    recorder, resumed = records.RunRecorder(), records.RunRecorder()
    recorder.before_train(runner)
    feed(recorder, runner, [0.5, 0.4, 0.3])
    recorder.after_train_epoch(runner)
    state = recorder.process_state(runner)
    resumed.load_process_state(runner, state)
    assert resumed.process_state(runner)["lines"] == state["lines"]


def test_a_run_without_validation_records_that_nothing_was_judged(tmp_path: Path) -> None:
    (tmp_path / "last_checkpoint").write_text("gone.pth")
    runner = fake_runner(tmp_path, cfg=Config({"task": "cls"}), val_loop=None, seed=0)
    recorder = records.RunRecorder()
    recorder.before_train(runner)
    recorder.after_train(runner)
    record = json.loads((tmp_path / "metrics.json").read_text())
    told = {key: record[key] for key in ("split", "num_images", "metrics", "per_class")}
    assert told == {"split": None, "num_images": 0, "metrics": {}, "per_class": {}}


@pytest.mark.parametrize(("val_loop", "iters"), [(None, [2, 4, 5]), (SimpleNamespace(), [5])])
def test_a_loop_of_iterations_without_validation_has_lines_all_the_same(
    tmp_path: Path, val_loop: Any, iters: list[int]
) -> None:
    loop = SimpleNamespace(val_interval=2)
    runner = fake_runner(tmp_path, train_loop=loop, val_loop=val_loop)
    recorder = records.RunRecorder()
    recorder.before_train_epoch(runner)
    for runner.iter in range(5):
        recorder.before_train_iter(runner, runner.iter)
        batch = {"inputs": torch.zeros(5, 1)}
        recorder.after_train_iter(runner, runner.iter, batch, {"loss": torch.tensor(0.5)})
    runner.iter = 5
    recorder.after_train_epoch(runner)
    assert [line["iter"] for line in recorder._lines] == iters


def test_the_losses_of_a_checkpoint_are_added_up_on_the_device_of_the_run() -> None:
    first, losses = RunningLoss(), RunningLoss()
    for _ in range(60):  # some are added up, and ten are not
        first.add(torch.ones(()))
    losses.load_state(first.state())
    losses.add(torch.ones((), device="meta"))  # stands in for a GPU: it mixes with no other
    assert losses.mean().device.type == "meta"
    assert len(losses) == 61


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (0.5, 0.5),
        (2, 2.0),
        (np.float32(0.5), 0.5),
        (np.int64(2), 2.0),
        (np.array([0.5]), 0.5),
        (torch.tensor(0.5), 0.5),
        (torch.tensor([0.5], dtype=torch.bfloat16), 0.5),
        ([0.5], None),
        (np.array([0.5, 0.5]), None),
        (torch.zeros(0), None),
        ("0.5", None),
        (None, None),
        ({"a": 0.5}, None),
    ],
)
def test_metrics_of_any_class_end_no_run_and_numbers_of_any_kind_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, kept: float | None
) -> None:
    runner = fake_runner(
        tmp_path,
        cfg=Config({"task": "seg"}),
        val_loop=SimpleNamespace(dataloader=SimpleNamespace(dataset=[0] * 4)),
        val_evaluator=SimpleNamespace(metrics=[SimpleNamespace(details=DETAILS)]),
        message_hub=MessageHub("metrics"),
    )
    (tmp_path / "last_checkpoint").write_text("gone.pth")
    told: list[str] = []
    monkeypatch.setattr(records, "print_log", lambda line, logger: told.append(line))
    recorder, details = records.RunRecorder(), DetailsRecorder()
    recorder.before_train(runner)
    feed(recorder, runner, [0.5])
    recorder.after_train_epoch(runner)
    for _ in range(2):
        recorder.after_val_epoch(runner, {"theirs": value, "mIoU": 50.0})
        details.after_val_epoch(runner, {"theirs": value, "mIoU": 50.0})
    recorder.after_train(runner)
    expected = {"mIoU": 50.0} | ({} if kept is None else {"theirs": kept})
    line = json.loads((tmp_path / "curve.jsonl").read_text())
    assert line == line | expected
    assert len(line.keys() & {"theirs", "mIoU"}) == len(expected)
    for name in ("metrics.json", "details.json"):
        assert json.loads((tmp_path / name).read_text())["metrics"] == expected
    assert sum("no single numbers: theirs" in line for line in told) == (kept is None)


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
def test_a_metric_that_is_no_finite_number_is_null_in_the_records(
    tmp_path: Path, lost: float
) -> None:
    runner = fake_runner(
        tmp_path,
        val_evaluator=SimpleNamespace(metrics=[SimpleNamespace(details=DETAILS)]),
        val_dataloader=None,
        message_hub=MessageHub(tmp_path.name),
    )
    recorder, details = records.RunRecorder(), DetailsRecorder()
    feed(recorder, runner, [1.0])
    recorder.after_train_epoch(runner)
    for hook in (recorder, details):
        hook.after_val_epoch(runner, {"f1": lost, "mIoU": 50.0})
    expected = {"f1": None, "mIoU": 50.0}
    (line,) = read_curve(tmp_path, "")
    assert line == line | expected
    assert "NaN" not in (tmp_path / "curve.jsonl").read_text()
    assert read_json(tmp_path / "details.json", "")["metrics"] == expected  # it refuses NaN


def test_a_metric_with_the_name_of_a_value_of_the_training_is_written_beside_it(
    tmp_path: Path,
) -> None:
    hub = MessageHub(tmp_path.name)
    runner = fake_runner(tmp_path, val_evaluator=None, message_hub=hub)
    recorder = records.RunRecorder()
    feed(recorder, runner, [1.0, 3.0])
    recorder.after_train_epoch(runner)
    recorder.after_val_epoch(runner, {"loss": 1000.0, "iter": 7.0, "top1": 50.0})
    (text,) = (tmp_path / "curve.jsonl").read_text().splitlines()
    line = json.loads(text)
    assert (line["loss"], line["iter"], line["top1"]) == (2.0, 3, 50.0)
    assert (line["val/loss"], line["val/iter"]) == (1000.0, 7.0)
