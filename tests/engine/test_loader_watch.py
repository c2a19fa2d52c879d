"""A loader that hangs, or has lost a worker, ends the run in one line; a slow one does not."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from torch.utils.data import Dataset

from bag_of_transfer.engine import hard_exit
from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.errors import LostError, UserError
from bag_of_transfer.engine.run import loader_watch
from bag_of_transfer.engine.run.loader_watch import build_loader, name_loader, watching_loaders

SECONDS = 0.4


class Images(Dataset):
    """Six images; loading one of them does something, in whatever process loads it."""

    def __init__(self, at: int, do: Callable[[], object]) -> None:
        self._at, self._do = at, do

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> int:
        if index == self._at:
            self._do()
        return index

    def path(self, index: int) -> Path:
        return Path(f"images/{index}.png")


def load(at: int, do: Callable[[], object], workers: int, **more: Any) -> list[int]:
    described = {
        "dataset": Images(at, do),
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "batch_size": 2,
        "num_workers": workers,
        "collate_fn": {"type": "pseudo_collate"},
        "timeout": SECONDS,
        **more,
    }
    loader = build_loader(described)
    name_loader(loader, "val_dataloader")
    with watching_loaders():
        return [one for batch in loader for one in batch]


def wait_for_ever() -> None:
    """Wait as for a file on a drive that has gone: no signal makes the call return."""
    reading, _ = os.pipe()
    os.read(reading, 1)


def hold_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def children() -> set[Any]:
    return set(multiprocessing.active_children())


@pytest.mark.parametrize("hang", [wait_for_ever, hold_a_lock])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_that_hangs_ends_the_run_and_names_the_image(workers, hang) -> None:
    before, begun = children(), time.monotonic()
    with pytest.raises(UserError) as told:
        load(3, hang, workers)
    assert time.monotonic() - begun < SECONDS + 2
    assert not isinstance(told.value, LostError)
    who = "worker 2 of 2" if workers else "the process"
    assert told.value.what.startswith(f"{who} of val_dataloader has been at the same image for 0.")
    assert told.value.where == "images/3.png"
    assert "val_dataloader.timeout" in told.value.mend
    assert children() == before  # a worker that hangs ends by SIGKILL alone


def test_a_slow_loader_is_left_alone_for_as_long_as_images_come() -> None:
    slow = {"at": 0, "do": lambda: None, "workers": 1, "batch_size": 6}
    kind = type("Slow", (Images,), {"__getitem__": lambda self, i: time.sleep(SECONDS / 2) or i})
    begun = time.monotonic()
    assert load(**slow, dataset=kind(0, print)) == [0, 1, 2, 3, 4, 5]
    assert time.monotonic() - begun > 2 * SECONDS  # for a single batch


def kill(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("do", "kind", "words"),
    [
        (kill(signal.SIGKILL), UserError, "was killed (SIGKILL), as the system does where memory"),
        (kill(signal.SIGBUS), UserError, "found no shared memory (SIGBUS)"),
        (kill(signal.SIGSEGV), LostError, "has ended by SIGSEGV"),
        (lambda: os._exit(3), LostError, "has ended with 3"),
    ],
)
def test_a_worker_that_ends_is_told_with_its_image(do, kind, words) -> None:
    with pytest.raises(UserError) as told:
        load(2, do, workers=2, timeout=60)
    assert type(told.value) is kind
    assert told.value.what.startswith(f"worker 2 of 2 of val_dataloader {words}")
    assert told.value.where == "images/2.png"
    assert told.value.exit_code == (2 if kind is UserError else 1)


def test_a_hang_between_images_is_found_too() -> None:
    hangs = {"type": lambda items: wait_for_ever()}
    with pytest.raises(UserError, match=r"val_dataloader \(between two images\)"):
        load(-1, print, workers=1, collate_fn=hangs)


def test_zero_waits_for_ever_and_a_loader_without_workers_may_state_a_time() -> None:
    assert load(1, lambda: time.sleep(2 * SECONDS), workers=0, timeout=0) == [0, 1, 2, 3, 4, 5]
    assert load(1, lambda: None, workers=0, timeout=9) == [0, 1, 2, 3, 4, 5]


def test_an_error_of_the_data_stays_what_it_is() -> None:
    def fail() -> None:
        raise UserError("bad", "image", "mend it")

    with pytest.raises(UserError, match="bad: image: mend it"):
        load(3, fail, workers=0)
    with pytest.raises(Exception, match="bad: image: mend it"):
        load(3, fail, workers=1)


def deaf() -> None:
    """Hang where no signal is answered, as in a library's code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    wait_for_ever()


def test_a_process_that_does_not_answer_ends_all_the_same(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(loader_watch, "ANSWER_S", 0.1)
    said = tmp_path / "said.txt"

    def child() -> None:
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
        os._exit(run_tool(lambda argv: len(load(1, deaf, workers=0)), []))

    process = multiprocessing.get_context("fork").Process(target=child, daemon=True)
    process.start()
    process.join(20)
    assert process.exitcode == 2
    assert "images/1.png" in said.read_text()
    assert said.read_text().startswith("error: the process of val_dataloader has been at the same")


def test_workers_that_hang_are_killed_when_python_ends() -> None:
    process = multiprocessing.get_context("fork").Process(target=hold_a_lock, daemon=True)
    process.start()
    hard_exit.kill_quietly([process])
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("ends", [True, False])
def test_torch_says_nothing_of_a_worker_that_ends_late(
    monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    worker = Mock()
    alive = [worker]
    worker.join = lambda seconds: alive.clear() if ends else None
    monkeypatch.setattr(multiprocessing, "active_children", lambda: alive)
    torchs, before = Mock(), signal.getsignal(signal.SIGCHLD)
    try:
        signal.signal(signal.SIGCHLD, torchs)
        hard_exit.kill_quietly([worker])
        assert signal.getsignal(signal.SIGCHLD) is (torchs if ends else signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGCHLD, before)
    worker.kill.assert_called_once_with()
