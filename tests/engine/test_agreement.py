"""What one process of several is asked for, all know after the same step."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from torch.distributed import HashStore, TCPStore

from bag_of_transfer.engine import agreement as module
from bag_of_transfer.engine.agreement import Agreement


class Group:
    """One of several processes, as ``torch.distributed`` looks from it."""

    def __init__(self, store: Any, size: int) -> None:
        self._store, self._size, self.distributed_c10d = store, size, self

    def get_world_size(self) -> int:
        return self._size

    def _get_default_store(self) -> Any:
        return self._store


def in_threads(work: Callable[[int], None], size: int) -> None:
    threads = [threading.Thread(target=work, args=(rank,), daemon=True) for rank in range(size)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert not any(one.is_alive() for one in threads)


@pytest.mark.parametrize("kind", ["hash", "tcp"])
def test_all_processes_learn_in_the_same_round_what_any_was_asked(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    store = HashStore() if kind == "hash" else TCPStore("localhost", 0, is_master=True)
    size, rounds = 3, 40
    asked = {(1, 4): [True, False], (2, 4): [False, True], (0, 7): [False, True]}
    asked |= {(rank, 9): [True, True] for rank in range(size)}
    monkeypatch.setattr(module, "process_group", lambda: Group(store, size))
    found: dict[int, list[list[bool]]] = {}

    def work(rank: int, run: int) -> None:
        ours, no = Agreement(run), [False, False]
        found[rank] = [ours.any_of(asked.get((rank, at), no)) for at in range(rounds)]

    for run in range(2):  # a later run in the same processes begins anew
        in_threads(partial(work, run=run), size)
        assert found[0] == found[1] == found[2]
        said = {at: answers for at, answers in enumerate(found[0]) if any(answers)}
        assert said == {4: [True, True], 7: [False, True], 9: [True, True]}
    assert store.num_keys() <= 2 * size  # what was answered is not kept


def test_a_process_that_is_alone_has_its_own_answers() -> None:
    assert Agreement(0).any_of([True, False]) == [True, False]
