"""The log of a run that was stopped and resumed is one log."""

import json
from pathlib import Path

import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.run_report.log_values import by_epoch, is_accuracy, is_loss, read_log
from bag_of_transfer.run_report.plots import curve_plots
from tests.run_report.drawn_run import logged

VALIDATION = {"mAP": 3.0, "time": 0.1, "step": 1}


def write(folder: Path, started: str, lines: list[dict[str, float]], end: str = "") -> Path:
    path = folder / started / "vis_data/scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + end)
    return path


def test_a_resumed_run_has_each_iteration_once(tmp_path: Path) -> None:
    write(tmp_path, "20260102_1", [VALIDATION, *(logged(n, 1.0) for n in (30, 40))], '{"loss": 1')
    write(tmp_path, "20260101_9", [logged(n) for n in (10, 20, 30)])
    write(tmp_path, "20260103_1", [])
    read = read_log(tmp_path, "")
    assert [(line["step"], line["loss"]) for line in read] == [(10, 2), (20, 2), (30, 1), (40, 1)]
    epochs = by_epoch(read, [{"epoch": 1, "iter": 20}, {"epoch": 2, "iter": 40}])
    assert [line["epoch"] for line in epochs] == [0.5, 1, 1.5, 2]
    assert by_epoch(read, []) == []


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "20260101_9", [], "[1]\n{}\n")
    with pytest.raises(UserError, match=str(path)):
        read_log(tmp_path, "")


def test_parts_are_drawn_where_there_are_several() -> None:
    lines = [dict(logged(step), epoch=step) for step in (1, 2, 3)]
    assert [plot.name for plot in curve_plots([], lines)] == ["run-loss-parts", "run-accuracy"]
    alone = [
        {"epoch": n, "loss": 1.0, "decode.loss_ce": 1.0, "decode.acc_seg": 5.0} for n in (1, 2)
    ]
    assert curve_plots([], alone * 2)[0].name == "run-accuracy"
    names = ("loss", "loss_cls", "decode.loss_ce", "acc", "decode.acc_seg", "accuracy_of_x")
    assert [name for name in names if is_loss(name)] == ["loss_cls", "decode.loss_ce"]
    assert [name for name in names if is_accuracy(name)] == ["acc", "decode.acc_seg"]
