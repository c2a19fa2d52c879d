"""Find out within a minute that another process of a run is killed, stopped or cut off.

Such a process leaves the others in a collective operation: with gloo for half an hour if its
connections stay open, and no signal reaches Python there.  So a thread of each process counts up in
the store that they share.  It looks at the next process only, and learns from the first one that
ends with an error (``shared_exit.py``).  Waiting for a process that lives has other reasons, such
as a validation, and is limited by torch alone (``env_cfg.dist_cfg.timeout``).
"""

import atexit
import os
import platform
import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any

from bag_of_transfer.engine.errors import LostError, UserError, chain
from bag_of_transfer.engine.hard_exit import leave
from bag_of_transfer.engine.process_group import process_group
from bag_of_transfer.engine.quantities import duration
from bag_of_transfer.engine.shared_exit import failed_elsewhere

__all__ = ["lost_process", "watch_processes"]

KEY = "bag_of_transfer/alive/{}"
DONE = "done"
PAUSE_S = 2.0
ANSWER_S = 10.0  # that the main thread has after another process's error
# What gloo, NCCL and the store say of a connection that is gone, among other words.
GONE = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe")
MEND = "it was killed, stopped or cut off (dmesg tells of full memory); go on with --resume"


def watch_processes(seconds: float) -> None:
    """Begin to tell that this process lives, and to look whether the others do.

    Args:
        seconds: Without a sign, after which a process counts as lost; 0: never.
    """
    dist = process_group()
    if dist is not None and seconds and _started() is None:
        _start(dist, seconds)


def lost_process(error: BaseException) -> UserError | None:
    """Return which process is lost if an error is about a connection; this may take seconds."""
    text = " ".join(str(cause) for cause in chain(error)).lower()
    signs = _started()
    if signs is None or not any(word in text for word in GONE):
        return None
    return signs.silent_now()


_signs: list["_Signs"] = []


def _started() -> "_Signs | None":
    return next((one for one in _signs if one.process == os.getpid()), None)


def _start(dist: Any, seconds: float) -> None:
    store = dist.distributed_c10d._get_default_store().clone()  # whose calls wait for no other
    signs = _Signs(store, dist.get_rank(), dist.get_world_size(), seconds)
    with suppress(RuntimeError):  # the thread finds out why
        signs.tell()
    _signs[:] = [signs]
    threading.Thread(target=signs.run, name="process watch", daemon=True).start()
    _tell_the_end()


@cache
def _tell_the_end() -> None:
    atexit.register(_end)


def _end() -> None:
    for signs in _signs:
        signs.end()


class _Signs:
    """Signs of life of one process, and what it knows of the others.

    Args:
        store: That of the process group.
        rank: This process's.
        size: Number of processes.
        seconds: See :func:`watch_processes`.
    """

    def __init__(self, store: Any, rank: int, size: int, seconds: float) -> None:
        self.process = os.getpid()
        self._store, self._rank, self._size, self._seconds = store, rank, size, seconds
        self._pause = min(PAUSE_S, seconds / 9)
        self._count = 0
        self._ended = threading.Event()

    def end(self) -> None:
        """Tell the others that this process has done its work."""
        self._ended.set()
        with suppress(RuntimeError):  # the process that kept the store is gone
            self._store.set(KEY.format(self._rank), DONE)

    def run(self) -> None:
        """Tell and look until the end; end this process if another one is lost."""
        following = (self._rank + 1) % self._size
        seen, silent, last = "", 0.0, time.monotonic()
        while not self._ended.wait(self._pause):
            now = time.monotonic()
            # Longer if this process was stopped meanwhile (Ctrl-Z): then the others may have been.
            silent, last = silent + min(now - last, 2 * self._pause), now
            try:
                self.tell()
                if failed_elsewhere(self._store):
                    break
                found = self._value(following)
                if found != seen or found == DONE:
                    seen, silent = found, 0.0
            except RuntimeError:  # the store is gone, with the process that kept it
                following = 0
            if silent >= self._seconds:
                leave(self._lost(following, seen, f"for {duration(silent)}"))
        if not self._ended.wait(ANSWER_S):
            leave(self._lost(following, seen, "after an error"))

    def silent_now(self) -> UserError | None:
        """Return the first process that counts no further, after a few pauses."""
        time.sleep(self._pause)  # what a lost process has sent last has arrived then
        try:
            before = {rank: self._value(rank) for rank in range(self._size) if rank != self._rank}
            for _ in range(3):
                time.sleep(self._pause)
                before = {r: v for r, v in before.items() if v != DONE and self._value(r) == v}
        except RuntimeError:
            return self._lost(0, "", "and neither does the store that it kept")
        return next((self._lost(rank, v, "any more") for rank, v in before.items()), None)

    def tell(self) -> None:
        """Tell that this process lives, and where."""
        self._count += 1
        place = f"process {self.process} on {platform.node()}"
        self._store.set(KEY.format(self._rank), f"{self._count} {place}")

    def _value(self, rank: int) -> str:
        key = KEY.format(rank)
        return self._store.get(key).decode() if self._store.check([key]) else ""

    def _lost(self, rank: int, value: str, since: str) -> UserError:
        where = value.partition(" ")[2] or f"rank {rank}"
        return LostError(f"rank {rank} of {self._size} gives no sign {since}", where, MEND)
