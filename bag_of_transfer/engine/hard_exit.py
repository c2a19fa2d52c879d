"""End processes that do not answer: workers that hang, and this process if its main thread does."""

import atexit
import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Iterable
from functools import cache
from typing import Any

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.printable import printable
from bag_of_transfer.engine.shared_exit import join_failure

__all__ = ["kill_at_exit", "kill_quietly", "leave"]

_workers: weakref.WeakSet[Any] = weakref.WeakSet()


def kill_at_exit(workers: Iterable[Any]) -> None:
    """Kill workers when Python ends: it would wait for ever for one that hangs.

    Args:
        workers: Processes of multiprocessing that hold nothing.
    """
    _workers.update(workers)
    _register()


@cache
def _register() -> None:
    # After torch and multiprocessing have registered theirs, which wait: the last comes first.
    atexit.register(kill_quietly, _workers)


def kill_quietly(workers: Iterable[Any]) -> None:
    """Kill workers and wait a little until they have ended, without torch's error about each.

    Where one has not ended by then, as on a machine with too much to do, torch stays silent.
    """
    alive = _alive(workers)
    if not alive:
        return
    quiet = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if quiet else None
    for worker in alive:
        worker.kill()
    for worker in alive:
        worker.join(1)  # one that waits for a dead drive ends when the drive answers
    if quiet and not _alive(alive):  # else torch would raise when the last of them ends
        signal.signal(signal.SIGCHLD, before)


def leave(mistake: UserError) -> None:
    """End this process at once with one line: its main thread does not answer.

    Files are written whole or not at all, so that the last checkpoint stays as it is.
    """
    is_reporter, code = join_failure(mistake.exit_code, on_all_ranks=False)
    if is_reporter:
        os.write(2, printable(f"error: {mistake}\n").encode())
    for worker in _alive(_workers):
        worker.kill()
    os._exit(code)


def _alive(workers: Iterable[Any]) -> set[Any]:
    return set(multiprocessing.active_children()).intersection(workers)
