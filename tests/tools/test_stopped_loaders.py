"""A run whose data hangs or goes in mid-run ends with 2, and its last checkpoint is whole."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import get_worker_info

from bag_of_transfer.engine.data import image_reader
from bag_of_transfer.engine.progress import ProgressHook

ROOT = Path(__file__).resolve().parents[2]
TASKS = {
    "cls": ("train_cls", "classification/resnet18-d_tiny.py"),
    "det": ("train", "detection/faster-rcnn_fpn_tiny.py"),
    "seg": ("train", "segmentation/fcn_d8_tiny.py"),
}


def hang() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def killed() -> None:
    if get_worker_info():
        os.kill(os.getpid(), signal.SIGKILL)


def at_validation(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Do something in place of reading an image, from the first validation on."""
    start, read = ProgressHook.before_val_epoch, image_reader.read_file

    def before_val_epoch(self: ProgressHook, runner: Any) -> None:
        start(self, runner)
        monkeypatch.setattr(image_reader, "read_file", lambda path: do() or read(path))

    monkeypatch.setattr(ProgressHook, "before_val_epoch", before_val_epoch)


SMALL = {("cls", 1, hang)}
CELLS = [
    (task, workers, do) for task in TASKS for workers in (0, 1) for do in (hang, killed)
    if workers or do is hang
]  # fmt: skip


@pytest.mark.parametrize(
    ("task", "workers", "do"),
    [pytest.param(*one, marks=[] if one in SMALL else pytest.mark.slow) for one in CELLS],
)
def test_a_validation_that_hangs_or_loses_a_worker_ends_the_run(
    tool, world, tmp_path, monkeypatch, capfd, task, workers, do
) -> None:
    at_validation(monkeypatch, do)
    scratch = () if task == "cls" else ("--backbone", "scratch")
    name, config = TASKS[task]
    options = [f"val_dataloader.num_workers={workers}", "val_dataloader.timeout=1"]
    options += ["train_dataloader.num_workers=0"]
    folder = tmp_path / "run"
    flags = ("--work-dir", folder, "--data-root", world, *scratch, "--cfg-options", *options)
    assert tool(name, ROOT / "configs" / config, *flags) == 2
    error = next(x for x in capfd.readouterr().err.splitlines() if x.startswith("error: "))
    who = f"worker 1 of {workers}" if workers else "the process"
    said = "has been at the same image" if do is hang else "was killed (SIGKILL)"
    assert error.startswith(f"error: {who} of val_dataloader {said}")
    assert "val" in error.split(": ")[2]
    newest = Path((folder / "last_checkpoint").read_text())
    assert torch.load(newest, weights_only=True)["meta"]["epoch"] == 1
