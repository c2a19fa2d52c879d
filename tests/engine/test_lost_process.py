"""A process whose neighbour is lost ends with one line, and not because it waits for a slow one."""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.distributed import HashStore, TCPStore

from bag_of_transfer.engine import lost_process as module
from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.errors import LostError, UserError
from bag_of_transfer.engine.lost_process import lost_process, watch_processes

SECONDS = 0.8
GONE = RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer")


class Group:
    """A process of three, as ``torch.distributed`` looks from it."""

    def __init__(self, store: Any, rank: int) -> None:
        self._store, self._rank, self.distributed_c10d = store, rank, self

    def get_rank(self) -> int:
        return self._rank

    def get_world_size(self) -> int:
        return 3

    def _get_default_store(self) -> Any:
        return self._store


class Gone(HashStore):
    def clone(self) -> "Gone":
        return self

    def set(self, *_: str) -> None:
        raise RuntimeError("Broken pipe")


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[UserError]:
    """Return what ended a process, in place of its end."""
    told: list[UserError] = []
    monkeypatch.setattr(module, "leave", told.append)
    monkeypatch.setattr(module, "ANSWER_S", 0.05)
    return told


@pytest.fixture
def join(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, int], Any]]:
    """Let a process of three begin to tell, in threads of this one."""
    all_signs: list[Any] = []

    def join(store: Any, rank: int) -> Any:
        monkeypatch.setattr(module, "process_group", lambda: Group(store, rank))
        module._signs.clear()
        watch_processes(SECONDS)
        all_signs.extend(module._signs)
        return all_signs[-1]

    yield join
    for signs in all_signs:
        signs.end()
    module._signs.clear()


def test_the_process_before_a_lost_one_says_which_it_is(join, left) -> None:
    store = HashStore()
    signs = [join(store, rank) for rank in range(3)]
    time.sleep(2 * SECONDS)
    assert left == []
    signs[2]._ended.set()  # it counts no further
    time.sleep(2 * SECONDS)
    assert {type(one) for one in left} == {LostError}
    assert left[0].exit_code == 1
    assert left[0].what.startswith("rank 2 of 3 gives no sign for ")
    assert left[0].where.startswith(f"process {os.getpid()} on ")


def test_one_that_has_done_its_work_is_not_lost(join, left) -> None:
    store = HashStore()
    signs = [join(store, rank) for rank in range(3)]
    for one in (signs[1], signs[2]):
        one.end()
    time.sleep(2 * SECONDS)
    assert left == []


def test_without_the_store_the_process_that_kept_it_is_lost(join, left) -> None:
    join(Gone(), 1)
    time.sleep(3 * SECONDS)
    assert left[0].what.startswith("rank 0 of 3")


def test_an_error_elsewhere_ends_a_process_that_waits(join, left) -> None:
    store = HashStore()
    join(store, 1)
    store.compare_set("bag_of_transfer/exit_code", "", "2 2")
    time.sleep(SECONDS)
    assert len(left) == 1


def test_a_broken_connection_is_explained_by_the_process_that_is_lost(join, left) -> None:
    store = HashStore()
    signs = [join(store, rank) for rank in (2, 1, 0)]
    assert lost_process(RuntimeError("a bug")) is None
    assert lost_process(GONE) is None  # all of them live
    signs[0].end()
    signs[1]._ended.set()
    time.sleep(SECONDS / 4)  # it may be in the middle of telling
    assert "rank 1 of 3 gives no sign any more" in str(lost_process(GONE))


def train_with_a_process_that(do: Callable[[], None], rank: int, port: int) -> None:
    """Add up numbers with another process, as training does with gradients."""

    def main(argv: object) -> int:
        store = TCPStore("localhost", port, 3, is_master=False)
        torch.distributed.init_process_group("gloo", rank=rank, world_size=2, store=store)
        watch_processes(1.0)
        for step in range(1000):
            if rank == 1 and step == 3:
                do()
            torch.distributed.all_reduce(torch.ones(2))
        return 0

    os._exit(run_tool(main, []))


def hang() -> None:
    """Stop as a process does whose machine has gone: its connections stay."""
    os.kill(os.getpid(), signal.SIGSTOP)


def fail() -> None:
    raise UserError("bad", "image.png", "mend it")


@pytest.mark.parametrize(
    ("do", "code", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), 1, "rank 1 of 2 gives no sign any more"),
        (hang, 1, "rank 1 of 2 gives no sign for "),
        (fail, 2, "bad: image.png: mend it"),
    ],
)
def test_of_two_processes_the_other_ends(do, code, words, capfd) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    store = TCPStore("localhost", port, 3, is_master=True, wait_for_workers=False)
    fork = multiprocessing.get_context("fork")
    both = [
        fork.Process(target=train_with_a_process_that, args=(do, rank, port), daemon=True)
        for rank in (0, 1)
    ]
    for one in both:
        one.start()
    both[0].join(20)
    both[1].kill()
    assert both[0].exitcode == code
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert words in errors[0]
    del store
