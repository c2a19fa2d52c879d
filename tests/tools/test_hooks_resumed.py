"""Averages, early stopping, a backbone that is frozen first: killed and resumed as never killed."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bag_of_transfer.engine.loop import loops
from bag_of_transfer.engine.loop.records import RunRecorder
from bag_of_transfer.engine.progress import ProgressHook
from tests.tools.stopped_runs import STEPS, TASKS, comparable, differences

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MODELS = {
    "cls": "dict()",
    "det": "dict(neck=dict(in_channels=[16, 32, 64]))",
    "seg": "dict(decode_head=dict(in_channels=64), auxiliary_head=dict(in_channels=32))",
}
METRICS = {"cls": "top1", "det": "mAP_voc07", "seg": "mIoU"}
EPOCHS, FROZEN, STOPPED = 6, 2, 4
HOOKS = {
    "average": 'dict(type="EMAHook", momentum=0.1)',
    # The first validation is the best; three more, and the run ends after the fourth epoch.
    "stop": 'dict(type="EarlyStoppingHook", monitor="{metric}", patience=3, min_delta=99)',
    "freeze": f'dict(type="FreezeBackboneFirst", epochs={FROZEN})',
}
ALL = tuple(HOOKS)


def config_of(task: str, hooks: tuple[str, ...], folder: Path, pretrained: Path) -> Path:
    stated = ", ".join(HOOKS[name].format(metric=METRICS[task]) for name in hooks)
    lines = [
        f'_base_ = ["{ROOT / "configs" / TASKS[task][1]}"]',
        f"model = {MODELS[task]}",
        "train_dataloader = dict(drop_last=True)",
        f"train_cfg = dict(max_epochs={EPOCHS}, val_interval=1)",
        f"custom_hooks = [{stated}]",
    ]
    if task == "cls":
        lines.append(f'load_from = "{(pretrained / "last_checkpoint").read_text()}"')
    path = folder / f"{task}.py"
    path.write_text("\n".join(lines) + "\n")
    return path


def killed_at(where: tuple[str, int], run: Callable[[], int]) -> int | None:
    """Run in a process of its own that gets SIGKILL in a step, a validation, or after the last."""
    kind, number = where

    def kill_in_turn(own: Callable[..., Any]) -> Callable[..., Any]:
        count = 0

        def call(*given: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return own(*given)

        return call

    def work() -> None:
        if kind == "step":
            loops.train_step = kill_in_turn(loops.train_step)
        elif kind == "validation":
            ProgressHook.before_val_epoch = kill_in_turn(ProgressHook.before_val_epoch)
        else:
            RunRecorder.after_train = kill_in_turn(RunRecorder.after_train)
        os._exit(run())

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(300)
    return process.exitcode


PLACES = {
    "frozen": lambda steps: ("step", steps + 1),  # before the second epoch has a checkpoint
    "unfreezing": lambda steps: ("step", FROZEN * steps + 1),
    "unfrozen": lambda steps: ("step", (FROZEN + 1) * steps + 1),
    "counting": lambda steps: ("validation", 3),
    "ending": lambda steps: ("validation", STOPPED),
    "ended": lambda steps: ("end", 1),
}
CASES = [(task, (hook,), "unfreezing") for task in TASKS for hook in HOOKS]
CASES += [(task, ALL, place) for task in TASKS for place in PLACES]


@pytest.fixture(scope="module")
def undisturbed(tool, world, pretrained, tmp_path_factory) -> Callable[..., dict[str, Any]]:
    """Return what runs that were not killed leave; each is trained once."""
    known: dict[Any, dict[str, Any]] = {}

    def train(task: str, hooks: tuple[str, ...]) -> dict[str, Any]:
        if (task, hooks) not in known:
            folder = tmp_path_factory.mktemp(f"{task}_hooks")
            config = config_of(task, hooks, folder, pretrained)
            assert run(tool, task, config, folder / "run", pretrained) == 0
            known[task, hooks] = comparable(folder / "run")
        return known[task, hooks]

    return train


def run(tool, task: str, config: Path, folder: Path, pretrained: Path, *flags: str) -> int:
    weights = ("--backbone", pretrained / "backbone.safetensors") if task != "cls" else ()
    return tool(TASKS[task][0], config, "--work-dir", folder, *weights, *flags)


@pytest.mark.parametrize(
    ("task", "hooks", "place"),
    CASES,
    ids=[f"{task}-{'+'.join(hooks)}-{place}" for task, hooks, place in CASES],
)
def test_a_killed_run_goes_on_to_the_same_end(
    tool, pretrained, tmp_path, undisturbed, task, hooks, place
) -> None:
    expected = undisturbed(task, hooks)
    config, folder = config_of(task, hooks, tmp_path, pretrained), tmp_path / "run"

    def start() -> int:
        return run(tool, task, config, folder, pretrained)

    assert killed_at(PLACES[place](STEPS[task]), start) == -signal.SIGKILL
    assert run(tool, task, config, folder, pretrained, "--resume") == 0
    different = differences(comparable(folder), expected)
    assert different == [], "\n".join(different[-12:])
    epochs = STOPPED if "stop" in hooks else EPOCHS
    assert expected["meta"]["epoch"] == epochs
    assert len(expected["curve"]) == epochs
    assert (expected["parts"]["ema_state_dict"] is not None) == ("average" in hooks)


def test_a_frozen_backbone_has_no_momentum_and_loses_no_weight(tool, pretrained, tmp_path) -> None:
    """Weight decay would shrink it, and momentum would move it at once when it is let go."""
    config = config_of("seg", ALL, tmp_path, pretrained)
    flags = ("--cfg-options", f"custom_hooks.2.epochs={STOPPED - 1}")
    assert run(tool, "seg", config, tmp_path / "run", pretrained, *flags) == 0
    held, later = (
        torch.load(tmp_path / f"run/epoch_{epoch}.pth", weights_only=True)
        for epoch in (STOPPED - 1, STOPPED)
    )
    started = torch.load((pretrained / "last_checkpoint").read_text(), weights_only=True)
    names = [name for name in held["state_dict"] if name.startswith("backbone.")]
    trained = {name for name in names if name.endswith((".weight", ".bias"))}
    for part in ("state_dict", "ema_state_dict"):
        for name, tensor in held[part].items():
            if name.startswith("backbone.") and "num_batches" not in name:
                assert torch.equal(tensor, started["state_dict"][name]), name
    # Parameters are numbered in the order of the network, which begins with the backbone.
    assert min(held["optimizer"]["state"]) == len(trained)
    assert min(later["optimizer"]["state"]) == 0
    moved = [n for n in trained if not torch.equal(later["state_dict"][n], held["state_dict"][n])]
    assert set(moved) == trained
