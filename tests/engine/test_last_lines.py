"""The last lines of a run: paths, scores above 0, and commands that a shell takes."""

import logging
import shlex
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.logging import MessageHub

from bag_of_transfer.engine.last_lines import (
    Finished,
    after_a_test,
    after_a_training,
    again,
    command,
    flags_of,
    say_trained,
)
from bag_of_transfer.engine.run.evaluation import WITHOUT_TEST, split_to_test
from bag_of_transfer.engine.weights.checkpoint_hook import SafeCheckpointHook

BEST, LAST = Path("w/best_top1_epoch_2.pth"), Path("w/epoch_3.pth")


def told(finished: Finished | None, capsys: pytest.CaptureFixture[str]) -> list[str]:
    say_trained(finished, {"do this": "python tools/x.py"})
    return capsys.readouterr().out.splitlines()


def test_best_and_last_stand_with_their_scores(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(Finished(Path("w"), LAST, {"top1": (BEST, 51.25)}, {"top1": 50.0}), capsys)
    assert lines == [
        "results in w",
        "best top1 51.25: w/best_top1_epoch_2.pth",
        "last top1 50.00: w/epoch_3.pth",
        "do this:",
        "  python tools/x.py",
    ]


def test_without_a_best_the_last_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    finished = Finished(Path("w"), LAST, {}, {"top1": 0.0})
    assert finished.to_use == LAST
    assert told(finished, capsys)[:2] == ["results in w", "last: w/epoch_3.pth"]


def test_a_rehearsal_says_nothing_and_a_run_without_checkpoints_names_no_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told(None, capsys) == []
    assert told(Finished(Path("w"), None, {}, {}), capsys) == ["results in w"]


def test_a_command_is_quoted_and_stands_beside_the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tools/train.py"])
    args = Namespace(data_root=Path("my data"), cfg_options=["a=(1, 2)", "b='c'"])
    python, *words = shlex.split(command("test", "my config.py", *flags_of(args)))
    assert Path(python).name.startswith("python")
    assert words[0] == "tools/test.py"
    options = ["--data-root", "my data", "--cfg-options", "a=(1, 2)", "b='c'"]
    assert words[1:] == ["my config.py", *options]


@pytest.mark.parametrize(("score", "announced"), [(0.0, 0), (12.5, 1)])
def test_a_best_of_0_is_not_announced_nor_one_that_is_not_there(
    tmp_path: Path, score: float, announced: int, caplog: pytest.LogCaptureFixture
) -> None:
    hook = SafeCheckpointHook(save_best="top1", rule="greater", out_dir=str(tmp_path))
    logger = logging.getLogger("of a run")
    hub = MessageHub("of a run")
    saved: list[Path] = []

    def save(folder: str, filename: str, **more: Any) -> None:
        saved.append(Path(folder, filename))
        saved[0].touch()

    runner: Any = SimpleNamespace(
        message_hub=hub,
        logger=logger,
        epoch=1,
        iter=1,
        work_dir=str(tmp_path),
        hooks=[],
        save_checkpoint=save,
    )
    hook.before_run = lambda runner: None  # type: ignore[method-assign]
    hook.before_train(runner)
    with caplog.at_level(logging.INFO, logger.name):
        hook._save_best_checkpoint(runner, {"top1": score})
    assert (
        len([1 for record in caplog.records if "best checkpoint" in record.getMessage()])
        == announced
    )
    assert len(hook.best(runner)) == announced
    saved[0].unlink()  # as where the run was resumed from a checkpoint of another folder
    assert hook.best(runner) == {}


def test_a_command_again_with_other_flags_holds_each_once() -> None:
    given = ["c.py", "--min-score", "0.3", "photos", "--force", "--truth=val", "--every", "2"]
    changed = {"--min-score": "0.1", "--force": None, "--truth": "test"}
    ours = [
        *("c.py", "photos", "--every", "2"),
        *("--min-score", "0.1", "--force", "--truth", "test"),
    ]
    assert again(given, changed) == ours


def asked(**given: Any) -> Namespace:
    return Namespace(**{"data_root": None, "cfg_options": [], "work_dir": None, **given})


def test_where_a_test_split_is_missing_the_val_split_is_measured() -> None:
    finished = Finished(Path("my w"), LAST, {}, {})
    args = asked(config="c.py", cfg_options=["epochs=3"], work_dir=Path("my w"))
    told = after_a_training(args, finished, "test", ("val", ["test_dataloader=None"]))
    measure, look = (shlex.split(words)[2:] for words in told.values())
    assert measure == [
        *("c.py", "w/epoch_3.pth", "--work-dir", "my w"),
        *("--cfg-options", "epochs=3", "test_dataloader=None"),
    ]
    assert look[2:6] == ["--truth", "val", "--out-dir", "my w/predictions"]
    assert after_a_training(args, finished, "test", None) == {}


def test_predictions_that_are_there_are_overwritten_only_by_force(tmp_path: Path) -> None:
    args = asked(config="c.py", checkpoint=LAST)
    assert "--force" not in after_a_test(args, "val", tmp_path)["look at its predictions"]
    (tmp_path / "predictions").mkdir()
    assert "--force" in after_a_test(args, "val", tmp_path)["look at its predictions"]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"test": "there"}, ("test", [])),
        ({"test": "gone"}, ("val", WITHOUT_TEST)),
        ({"test": "there", "test_evaluator": [{"format_only": True}]}, ("val", WITHOUT_TEST)),
        ({}, ("val", [])),
        ({"held_out": {"fraction": 0.2}}, ("held_out", [])),
        ({"test": "gone", "val": None}, None),
    ],
)
def test_only_a_split_that_is_there_with_its_truth_is_advised(
    tmp_path: Path, stated: dict[str, Any], expected: Any
) -> None:
    (tmp_path / "there").mkdir()
    cfg = Config({"val": "val", **stated})
    for split in ("test", "val"):
        folder = cfg.pop(split, None)
        if folder:
            cfg[f"{split}_dataloader"] = {"dataset": {"type": "D", "root": str(tmp_path / folder)}}
    assert split_to_test(cfg) == expected
