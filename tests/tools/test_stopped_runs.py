"""A run that was stopped anywhere and resumed is, to the last bit, the run that was not."""

import itertools
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from bag_of_transfer.engine import loops
from bag_of_transfer.engine.progress import ProgressHook

ROOT = Path(__file__).resolve().parents[2]
TASKS = {
    "cls": ("train_cls", "classification/resnet18-d_tiny.py"),
    "det": ("train", "detection/faster-rcnn_fpn_tiny.py"),
    "seg": ("train", "segmentation/fcn_d8_tiny.py"),
}
STEPS = {"cls": 6, "det": 4, "seg": 2}  # of an epoch; a run has two
TIMES = ("seconds", "img_per_s")
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


class KilledError(BaseException):
    """Stands in for SIGKILL: nothing reacts to it."""


@HOOKS.register_module()
class DrawsAtEachStep(Hook):
    """Draw as a network might, so that a generator that is not restored shows in the weights."""

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        bias = [one for one in runner.model.parameters() if one.requires_grad][-1]
        bias.data += 1e-3 * torch.rand(())


def config_of(task: str, loop: str, workers: int, folder: Path) -> Path:
    """Write a config of two epochs whose checkpoints are fewer than its steps."""
    steps = STEPS[task]
    lines = [
        f'_base_ = ["{ROOT / "configs" / TASKS[task][1]}"]',
        f"train_dataloader = dict(num_workers={workers}, drop_last=True)",
        'custom_hooks = [dict(type="EMAHook"), dict(type="DrawsAtEachStep")]',
    ]
    if loop == "iterations":
        lines += [
            f'train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters={2 * steps},'
            f" val_interval={steps})",
            'param_scheduler = [dict(type="PolyLR", by_epoch=False, eta_min=1e-4)]',
            f"default_hooks = dict(checkpoint=dict(by_epoch=False, interval={steps // 2}))",
        ]
    path = folder / f"{task}_{loop}_{workers}.py"
    path.write_text("\n".join(lines) + "\n")
    return path


@contextmanager
def stopping(patch: pytest.MonkeyPatch, where: int | str, stop: Callable[[], None]) -> Iterator:
    """Call ``stop`` in the step of this number, or at the start of the first validation."""
    step, count = loops.train_step, itertools.count(1)

    def train_step(*given: Any) -> Any:
        if next(count) == where:
            stop()
        return step(*given)

    def before_val_epoch(self: ProgressHook, runner: Any) -> None:
        start(self, runner)
        if where == "validation" and not stopped:
            stopped.append(True)
            stop()

    start, stopped = ProgressHook.before_val_epoch, []
    with patch.context() as now:
        now.setattr(loops, "train_step", train_step)
        now.setattr(ProgressHook, "before_val_epoch", before_val_epoch)
        yield


def comparable(folder: Path) -> dict[str, Any]:
    """Return what a run has left, without times and paths."""
    checkpoint = torch.load(max(folder.glob("*.pth"), key=position), weights_only=True)
    kept = ("state_dict", "ema_state_dict", "optimizer", "param_schedulers")
    hub = checkpoint["message_hub"]["runtime_info"]
    record = json.loads((folder / "metrics.json").read_text())
    lines = map(json.loads, (folder / "curve.jsonl").read_text().splitlines())
    return {
        "parts": {name: checkpoint[name] for name in kept},
        "meta": {name: checkpoint["meta"][name] for name in ("epoch", "iter", "recipe")},
        "info": {name: hub[name] for name in ("best_score", "keep_ckpt_ids", "validated")},
        "metrics": [record["metrics"], record["per_class"]],
        "curve": [{k: v for k, v in line.items() if k not in TIMES} for line in lines],
        "files": sorted(path.name for path in folder.glob("*.pth")),
    }


def position(path: Path) -> int:
    digits = path.stem.rpartition("_")[2]
    return int(digits) if not path.name.startswith("best") else -1


def differences(ours: Any, theirs: Any, place: str = "") -> list[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = list(ours.keys() | theirs.keys())
        return [d for k in keys for d in differences(ours.get(k), theirs.get(k), f"{place}.{k}")]
    if isinstance(theirs, list | tuple) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [d for i, pair in pairs for d in differences(*pair, f"{place}[{i}]")]
    same = torch.equal(ours, theirs) if isinstance(theirs, torch.Tensor) else ours == theirs
    return [] if same else [f"{place}: {ours!s:.60} instead of {theirs!s:.60}"]


@pytest.fixture(scope="module")
def undisturbed(tool, world, tmp_path_factory) -> Callable[[str, str], dict[str, Any]]:
    """Return what runs without a stop leave; each is trained once."""
    known: dict[tuple[str, str], dict[str, Any]] = {}

    def train(task: str, loop: str) -> dict[str, Any]:
        if (task, loop) not in known:
            folder = tmp_path_factory.mktemp(f"{task}_{loop}")
            assert run(tool, task, config_of(task, loop, 0, folder), folder / "run", world) == 0
            known[task, loop] = comparable(folder / "run")
        return known[task, loop]

    return train


def run(tool, task: str, config: Path, folder: Path, world: Path, *flags: str) -> int:
    scratch = () if task == "cls" else ("--backbone", "scratch")
    where = ("--work-dir", folder, "--data-root", world)
    return tool(TASKS[task][0], config, *where, *scratch, *flags)


def places(task: str) -> dict[str, int | str]:
    steps = STEPS[task]
    return {"begin": 1, "mid": steps + steps // 2, "validation": "validation", "end": 2 * steps}


SMALL = {
    ("cls", "epochs", 0, "mid", "TERM"),
    ("cls", "iterations", 0, "validation", "TERM"),
    ("seg", "iterations", 0, "mid", "USR1"),
}
MATRIX = list(
    itertools.product(
        TASKS,
        ("epochs", "iterations"),
        (0, 2),
        ("begin", "mid", "validation", "end"),
        ("TERM", "KILL", "USR1"),
    )
)


@pytest.mark.parametrize(
    ("task", "loop", "workers", "where", "kind"),
    [
        pytest.param(
            *cell, marks=[] if cell in SMALL else pytest.mark.chaos, id="-".join(map(str, cell))
        )
        for cell in MATRIX
    ],
)
def test_a_resumed_run_is_the_undisturbed_one(
    tool, world, tmp_path, monkeypatch, undisturbed, task, loop, workers, where, kind
):
    expected = undisturbed(task, loop)
    config, folder = config_of(task, loop, workers, tmp_path), tmp_path / "run"

    def stop() -> None:
        if kind == "KILL":
            raise KilledError
        os.kill(os.getpid(), getattr(signal, f"SIG{kind}"))

    with stopping(monkeypatch, places(task)[where], stop):
        try:
            code = run(tool, task, config, folder, world)
        except KilledError:
            code = -9
    assert code == {"TERM": 143, "KILL": -9, "USR1": 0}[kind]
    if kind == "TERM" and where != "validation":  # nothing is lost
        newest = torch.load((folder / "last_checkpoint").read_text(), weights_only=True)
        assert newest["meta"]["iter"] == places(task)[where]
    if code:
        assert run(tool, task, config, folder, world, "--resume") == 0
    different = differences(comparable(folder), expected)
    assert different == [], "\n".join(different[-12:])
