"""The tool and the start of a run say what is wrong with data, and how much was looked at."""

import io
import json
import logging
import os
import re
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS
from rich.console import Console

import bag_of_transfer.classification.image_folder  # noqa: F401  registers its class
from bag_of_transfer.data_checks import at_start
from bag_of_transfer.data_checks.at_start import ContentAtStart
from bag_of_transfer.data_checks.check import Report
from bag_of_transfer.data_checks.files import File, look_at_files
from bag_of_transfer.data_checks.kinds import found
from bag_of_transfer.data_checks.ledger import Ledger
from bag_of_transfer.data_checks.look import look_at_mask, look_at_picture
from bag_of_transfer.data_checks.report import show
from bag_of_transfer.engine import cli
from bag_of_transfer.engine.data.data_sets import LookAtSplits
from tests.data_checks.rows import flipped
from tests.data_checks.worlds import SIZES, WORLDS, described, draw_images

ROOT = Path(__file__).parents[2]
CONFIG = "configs/classification/resnet50-d_own-images.py"


@pytest.fixture(autouse=True)
def _scans_stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bag_of_transfer.engine.data.image_scan.SCAN_DIR", tmp_path / "scans")
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draw_images(tmp_path / "own-images")
    return tmp_path / "own-images"


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., int]:
    """Return the tool as a function of its flags."""
    main = runpy.run_path(str(ROOT / "tools/check_data.py"))["main"]
    return lambda *flags: cli.run_tool(main, [str(ROOT / CONFIG), *flags])


def test_the_last_line_names_the_line_of_the_first_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    WORLDS["voc"](tmp_path / "own-voc")
    file = tmp_path / "own-voc/Annotations/train0.xml"
    file.write_text(re.sub("<xmin>[^<]*", "\n<xmin>wide", file.read_text(), count=1))
    main = runpy.run_path(str(ROOT / "tools/check_data.py"))["main"]
    config = ROOT / "configs/detection/faster-rcnn_fpn_r18-slim_own-voc.py"
    assert cli.run_tool(main, [str(config)]) == 2
    line = file.read_text()[: file.read_text().index("wide")].count("\n") + 1
    assert f"{file}, line {line}: write a number" in capsys.readouterr().err


def test_clean_data_end_with_0(
    data: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call() == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "content of 6 of 6 images looked at (train 4, val 2); errors: 0, warnings: 0" in said


def test_an_error_ends_with_2_and_json_has_all(
    data: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(data / "train/ball/train0.jpg", data / "val/ball/other.jpg")
    (data / "train/ball/cut.jpg").write_bytes((data / "train/ball/train2.jpg").read_bytes()[:500])
    assert call("--json") == 2
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert {key: report[key] for key in ("schema", "errors", "warnings", "changed")} == {
        "schema": 1,
        "errors": 1,
        "warnings": 1,
        "changed": [],
    }
    assert report["images"] == {"train": 4, "val": 3}
    (error,) = (each for each in report["findings"] if each["severity"] == "error")
    assert error["kind"] == "shared-picture"
    assert error["file"] == str(data / "val/ball/other.jpg")
    assert "train0.jpg (the same bytes)" in error["detail"]
    assert (
        printed.err.strip()
        .splitlines()[-1]
        .startswith("error: the data have 1 error, first shared-picture (in train too, as ")
    )
    assert call() == 2
    table = " ".join(capsys.readouterr().out.split())
    assert "error: shared-picture in val: 1" in table
    assert "warning: structure in train: 1" in table


def test_names_with_a_terminals_commands_are_shown_with_escapes() -> None:
    name = "/data/\x1b[31m[bold]\n.jpg"
    report = Report((found("black", "train", name, "the picture is black"),))
    console = Console(file=io.StringIO(), width=100)
    show(report, console)
    said = console.file.getvalue()
    assert "\\x1b[31m[bold]\\n.jpg" in said
    assert "\x1b" not in said


def test_a_split_that_cannot_be_built_is_reported_and_the_other_looked_at(
    data: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(data / "train")
    assert call("--json") == 2
    report = json.loads(capsys.readouterr().out)
    assert {each["kind"] for each in report["findings"]} == {"structure"}


def start(data: Path) -> list[str]:
    """Return what the start of a run says."""
    return said_at_start(*(DATASETS.build(described("images", data, name)) for name in SIZES))


def said_at_start(train: Any, val: Any, test: Any = None, **stated: Any) -> list[str]:
    loaders = [SimpleNamespace(dataset=dataset) for dataset in (train, val)]
    looked = LookAtSplits()
    looked.test_set = test
    runner = SimpleNamespace(
        train_dataloader=loaders[0],
        val_loop=SimpleNamespace(dataloader=loaders[1]),
        hooks=[looked],
        cfg=stated,
    )
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(f"{record.levelname} {record.getMessage()}")
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    ContentAtStart().before_train(runner)
    logger.removeHandler(handler)
    return said


def test_a_start_says_how_much_was_looked_at_and_repeats_errors_that_hold(
    data: Path, call: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = "tools/check_data.py CONFIG looks at the rest"
    held = ["INFO data: train: 4 images, 2 classes", "INFO data: val: 2 images, 2 classes"]
    assert start(data) == [*held, f"INFO data: content of 0 of 6 images looked at; {looks}"]
    shutil.copy(data / "train/ball/train0.jpg", data / "val/ball/other.jpg")
    call()
    flipped(data / "train/box/train1.jpg")
    call()
    monkeypatch.setattr("bag_of_transfer.data_checks.look.decode_bytes", None)  # not needed
    *lines, bit_flip, shared = start(data)
    assert lines == [
        *(held[0], held[1].replace("2 images", "3 images")),
        "INFO data: shared images: 1 of val are in train",
        "INFO data: content of 7 of 7 images looked at",
    ]
    assert bit_flip.startswith(f"WARNING data: bit-flip in train: {data}/train/box/train1.jpg: ")
    assert shared.startswith(f"WARNING data: shared-picture in val: {data}/val/ball/other.jpg: ")
    (data / "val/ball/other.jpg").touch()
    (data / "train/box/train1.jpg").touch()
    assert start(data)[2:] == [f"INFO data: content of 5 of 7 images looked at; {looks}"]


def test_a_start_counts_the_test_split_too(data: Path) -> None:
    train, val = (DATASETS.build(described("images", data, name)) for name in SIZES)
    held = "INFO data: test: 2 images, 2 classes"
    assert held in said_at_start(train, train, val)
    loader = {"dataset": described("images", data, "val")}
    said = said_at_start(train, val, val_dataloader=loader, test_dataloader=loader)
    assert said[2] == "INFO data: test: the images of val"


def test_very_many_images_are_not_looked_up_at_each_start(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_start, "MOST", 5)
    (line,) = start(data)
    assert line.startswith("INFO data: 6 images, too many to look up at each start; ")


def test_data_sets_that_do_not_tell_their_files_are_passed_over() -> None:
    users_own = SimpleNamespace(metainfo={"classes": ("cat", "dog")})
    assert said_at_start(users_own, users_own) == []


def test_many_errors_are_counted(data: Path, call: Callable[..., int]) -> None:
    for number in range(7):
        shutil.copy(data / "train/ball/train0.jpg", data / f"train/box/{number}.jpg")
    call()
    said = start(data)
    assert len(said) == 3 + 5 + 1
    assert said[-1] == "WARNING data: 2 more errors: tools/check_data.py CONFIG lists them"


@pytest.mark.parametrize("look", [look_at_picture, look_at_mask])
def test_a_file_that_is_gone_or_damaged_is_unreadable(tmp_path: Path, look: Any) -> None:
    (tmp_path / "html.png").write_bytes(b"<html>")
    os.mkfifo(tmp_path / "pipe.png")
    paths = [tmp_path / name for name in ("gone.png", "pipe.png", "html.png")]
    ledger = Ledger(tmp_path)
    seen = look_at_files({path: File(look, ledger) for path in paths})
    assert [each.entry.look.marks for each in seen.values()] == [("unreadable",)] * 3
    assert [ledger.entry(path) is not None for path in paths] == [False, False, True]
