"""Training goes on from a stranger's checkpoint, or begins with it, and runs nothing of it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.gadgets import GADGETS, PROGRAM, Pickled, executed

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/before_one_package"
RUNS = {"cls": "epoch_8.pth", "det": "epoch_40.pth", "seg": "epoch_40.pth"}
ALL = json.loads(json.dumps(GADGETS))


def tell_gadgets(run: dict[str, Any]) -> None:
    """Put every gadget where a run is described and remembered."""
    run["meta"]["model_json"] = json.dumps({"type": "os.mkdir", "path": "x", **ALL})
    run["meta"] |= {"hook_msgs": ALL, "experiment_name": "__import__('os')", "gadgets": ALL}
    run["meta"]["dataset_meta"] |= ALL
    run["message_hub"]["runtime_info"] |= ALL


def set_hub(run: dict[str, Any], **info: Any) -> None:
    run["message_hub"]["runtime_info"] |= info


# What is changed, and the exit codes of going on and of starting from it.
CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], int, int]] = {
    "told_everywhere": (tell_gadgets, 0, 0),
    "a_program_as_config": (lambda run: run["meta"].update(config=PROGRAM), 2, 2),
    "pickled": (lambda run: run["meta"].update(more=Pickled()), 2, 2),
    "pickled_weights": (lambda run: run["state_dict"].update(more=Pickled()), 2, 2),
    "schedule_of_before": (
        lambda run: run["meta"]["recipe"].update(param_scheduler=[GADGETS["a_program"]]),
        *(3, 0),
    ),
    "optimizer_of_before": (
        lambda run: run["meta"]["recipe"].update(optim_wrapper=GADGETS["a_program"]),
        *(3, 0),
    ),
    "schedule": (lambda run: run.update(param_schedulers=[ALL]), 0, 0),
    "optimizer": (lambda run: run["optimizer"]["param_groups"][0].update(lr=ALL), 2, 0),
    "no_optimizer": (lambda run: run.update(optimizer=ALL), 2, 0),
    "averages": (lambda run: run.update(ema_state_dict=ALL), 0, 0),
    "no_message_hub": (lambda run: run.update(message_hub=ALL), 2, 0),
    "files_to_delete": (lambda run: set_hub(run, keep_ckpt_ids=["/../../kept"] * 9), 2, 0),
    "a_best_file_to_delete": (lambda run: set_hub(run, best_ckpt="kept", best_score=-1), 0, 0),
}


@pytest.fixture(autouse=True)
def _a_folder_to_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is executed, and a folder of the user's stays."""
    monkeypatch.setenv("DATA_ROOT", str(GOLDEN / "data"))
    (tmp_path / "kept").mkdir()
    yield
    assert executed(tmp_path) == []
    assert (tmp_path / "kept").is_dir()


def write(task: str, change: str) -> Path:
    """Write a run's checkpoint with a change."""
    run = torch.load(GOLDEN / task / RUNS[task], weights_only=True)
    CHANGES[change][0](run)
    torch.save(run, "gadget.pth")
    return Path("gadget.pth")


def check(code: int, wanted: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Where it is refused, one line names the file."""
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert code == wanted
    assert len(lines) == (wanted > 0)
    assert all("gadget.pth: " in line for line in lines)


@pytest.mark.parametrize("change", CHANGES)
def test_a_pretraining_goes_on(tool: Any, capfd: Any, change: str) -> None:
    flags = ("--resume", write("cls", change), "--cfg-options", "train_cfg.max_epochs=12")
    check(tool("train_cls", GOLDEN / "configs/cls.py", *flags), CHANGES[change][1], capfd)


@pytest.mark.parametrize("change", ["told_everywhere", "a_program_as_config", "pickled_weights"])
def test_a_pretraining_begins_with_it(tool: Any, capfd: Any, change: str) -> None:
    flags = ("--cfg-options", f"load_from={write('cls', change)}")
    check(tool("train_cls", GOLDEN / "configs/cls.py", *flags), CHANGES[change][2], capfd)


@pytest.mark.parametrize(
    ("task", "change"),
    [
        pytest.param("det", "told_everywhere", marks=pytest.mark.slow),  # trains a detector
        ("det", "a_program_as_config"),
        ("det", "pickled_weights"),
        ("seg", "told_everywhere"),
        ("seg", "a_program_as_config"),
        ("seg", "pickled_weights"),
    ],
)
def test_a_fine_tuning_goes_on_and_begins_with_it(
    tool: Any, capfd: Any, task: str, change: str
) -> None:
    path, call = write(task, change), ("train", GOLDEN / f"configs/{task}.py")
    backbone = ("--backbone", GOLDEN / "backbones/exported.safetensors")
    check(tool(*call, *backbone, "--resume", path), CHANGES[change][1], capfd)  # it was finished
    start = (f"load_from={path}", "train_cfg.max_epochs=2", "train_cfg.val_interval=2")
    code = tool(*call, "--work-dir", "other", "--cfg-options", *start)
    check(code, CHANGES[change][2], capfd)


def test_counting_operations_leaves_a_teacher_unread(tool: Any, capfd: Any) -> None:
    """A teacher is the only file of others that a config given to get_flops.py names."""
    teacher, base = str(write("cls", "pickled")), str(GOLDEN / "configs/cls.py")
    model = {"head": {"num_classes": 2}, "distillation": {"teacher": {"checkpoint": teacher}}}
    Path("student.py").write_text(f"_base_ = {base!r}\nmodel = {model!r}\n")
    check(tool("get_flops", "student.py"), 0, capfd)
