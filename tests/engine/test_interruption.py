"""A signal ends the run even where Python swallows the exception of its handler."""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from bag_of_transfer.engine import interruption
from bag_of_transfer.engine.bars import track
from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.hard_exit import kill_quietly
from bag_of_transfer.engine.interruption import TerminatedError, listen, raise_if_swallowed
from bag_of_transfer.engine.progress import ProgressHook
from bag_of_transfer.engine.worker_signals import leave_signals_to_the_run


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    listen()  # forgets what was noted
    for one, handler in before.items():
        signal.signal(one, handler)


def swallow(number: signal.Signals) -> None:
    """As an at-fork hook does."""
    with pytest.raises((KeyboardInterrupt, TerminatedError)):
        signal.raise_signal(number)


def iterate(stage: str) -> None:
    hook, runner = ProgressHook(), SimpleNamespace(train_loop=None, max_iters=9, iter=0)
    getattr(hook, f"after_{stage}_iter")(runner, 0, {"inputs": []}, {})


@pytest.mark.parametrize("stage", ["train", "val", "test"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_next_iteration_ends_the_run(number: signal.Signals, code: int, stage: str) -> None:
    def main(argv: Any) -> int:
        iterate(stage)
        swallow(number)
        iterate(stage)
        return 0

    assert run_tool(main, []) == code


def test_a_new_run_forgets_the_signals_of_an_earlier_one() -> None:
    assert run_tool(lambda argv: swallow(signal.SIGTERM) or 0, []) == 0
    assert run_tool(lambda argv: raise_if_swallowed() or 0, []) == 0


def test_a_background_job_goes_on_ignoring_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def main(argv: Any) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        raise_if_swallowed()
        return 0

    assert run_tool(main, []) == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_training_that_can_save_notes_the_first_signal_and_ends_at_the_second_ctrl_c(
    capfd: pytest.CaptureFixture,
) -> None:
    def main(argv: Any) -> int:
        interruption.wait_for_a_step()
        signal.raise_signal(signal.SIGINT)
        raise_if_swallowed()  # nothing yet
        assert interruption.end_asked()
        signal.raise_signal(signal.SIGTERM)  # as torchrun sends after a Ctrl-C of the group
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        interruption.raise_noted("saved")
        return 0

    assert run_tool(main, []) == 130
    errors = capfd.readouterr().err
    assert errors.count("press Ctrl-C to end without") == 1
    assert errors.splitlines()[-1] == "interrupted: saved"


def test_under_torchrun_the_ctrl_c_that_it_passes_on_is_not_the_second_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")

    def main(argv: Any) -> int:
        interruption.wait_for_a_step()
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(interruption, "SAME_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return 0

    assert run_tool(main, []) == 0


def test_a_signal_that_no_step_answered_ends_the_run_when_training_is_over() -> None:
    def main(argv: Any) -> int:
        interruption.wait_for_a_step()
        signal.raise_signal(signal.SIGTERM)
        interruption.act_at_once()
        return 0

    assert run_tool(main, []) == 143


@pytest.mark.parametrize("argv", [[], None])
@pytest.mark.parametrize("goes_on", [dict(ps1=">>> "), dict(flags=SimpleNamespace(inspect=1))])
def test_where_the_process_goes_on_it_has_its_handlers_back(monkeypatch, goes_on, argv) -> None:
    for name, value in goes_on.items():  # in a notebook; by python -i
        monkeypatch.setattr(sys, name, value, raising=False)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    assert run_tool(lambda argv: signal.getsignal(signal.SIGTERM) in before, argv) == 0
    assert [signal.getsignal(number) for number in numbers] == before


def test_sigusr1_ends_nothing_and_is_forgotten_once_the_state_is_saved() -> None:
    listen()
    signal.raise_signal(signal.SIGUSR1)
    assert interruption.save_asked()
    assert not interruption.end_asked()
    interruption.forget_save()
    assert not interruption.save_asked()


class Slow(Dataset):
    """Sends its worker the signals of a process group, and gives its number afterwards."""

    added = 0

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        if index == 0:
            for one in (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
                os.kill(os.getpid(), one)
        return index + self.added


class Tensors(Dataset):
    """Gives tensors, which a worker sends through a socket of its own."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.zeros(3)


def test_a_loader_worker_outlives_the_signals_of_its_group() -> None:
    listen()

    def add(worker: int) -> None:
        Slow.added = 10  # in the worker alone

    loader = DataLoader(Slow(), num_workers=1, worker_init_fn=add)
    assert [int(one) for one in leave_signals_to_the_run(loader)] == [10, 11, 12, 13]
    assert Slow.added == 0


def test_a_run_does_not_wait_for_workers_that_outlive_signals_when_it_ends() -> None:
    def main() -> None:
        loader = DataLoader(Slow(), num_workers=1, persistent_workers=True)
        left_over.append(iter(leave_signals_to_the_run(loader)))
        next(left_over[0])

    left_over: list[Any] = []
    run = multiprocessing.get_context("fork").Process(target=main)
    run.start()
    run.join(30)
    code = run.exitcode
    run.kill()  # nothing, if it has ended
    assert code == 0


def test_an_error_that_a_library_makes_of_a_signal_is_none(capfd: pytest.CaptureFixture) -> None:
    def main(argv: Any) -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException as error:
            raise SyntaxError("Failed to format the config file") from error
        return 0

    assert run_tool(main, []) == 130
    assert capfd.readouterr().err == "interrupted\n"


def test_a_long_loop_ends_after_a_signal_that_is_swallowed() -> None:
    def main(argv: Any) -> int:
        for _ in track(range(3), "going on"):
            swallow(signal.SIGTERM)
        return 0

    assert run_tool(main, []) == 143


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_tool_ends_prints_no_traceback(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def main() -> None:
        monkeypatch.setattr(sys, "argv", ["tool.py"])
        os.dup2(errors.fileno(), 2)
        run_tool(lambda argv: 0)
        signal.raise_signal(number)  # as if in an atexit callback

    with tempfile.TemporaryFile() as errors:
        run = multiprocessing.get_context("fork").Process(target=main)
        run.start()
        run.join(30)
        errors.seek(0)
        assert (run.exitcode, errors.read()) == (-number, b"")


def test_workers_leave_no_folders_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def main() -> None:
        multiprocessing.current_process()._config.pop("tempdir", None)
        loader = leave_signals_to_the_run(DataLoader(Tensors(), num_workers=1))
        batches = iter(loader)
        next(batches)
        kill_quietly(multiprocessing.active_children())

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = multiprocessing.get_context("fork").Process(target=main)
    run.start()
    run.join(30)
    assert run.exitcode == 0
    assert list(tmp_path.iterdir()) == []
