"""A run that was stopped anywhere and resumed is, to the last bit, the run that was not."""

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from bag_of_transfer.engine.loop import loops
from bag_of_transfer.engine.progress import ProgressHook
from tests.tools.stopped_runs import (
    TASKS,
    comparable,
    config_of,
    differences,
    flags_of,
    places,
)


class KilledError(BaseException):
    """Stands in for SIGKILL: nothing reacts to it."""


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
    return tool(TASKS[task][0], *flags_of(task, config, folder, world), *flags)


SMALL = {
    ("cls", "epochs", 0, "mid", "TERM"),
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
