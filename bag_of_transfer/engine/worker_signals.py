"""Let workers outlive signals that reach a whole process group.

Ctrl-C, ``timeout``, ``scancel`` and service managers signal every process of a group.  A training
that saves first still needs batches from its workers, which end with it in any case.  A worker of
a pool that dies while it holds the pool's lock lets the pool wait for ever.
"""

import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.util import get_temp_dir
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

__all__ = ["leave_signals_to_the_parent", "leave_signals_to_the_run"]


def leave_signals_to_the_parent() -> None:
    """Let this process ignore SIGINT, SIGUSR1 and any SIGTERM that is not from its parent."""
    for ignored in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(ignored, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # not on macOS, where any SIGTERM ends it
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ends = threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True)
        ends.start()
    else:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def leave_signals_to_the_run(loader: "DataLoader") -> "DataLoader":
    """Let the loader's workers, when they start, ignore SIGINT, SIGUSR1 and others' SIGTERM.

    A SIGTERM from the run itself ends them: python sends it, once, and waits for them where a run
    ends before its loader.  They leave no files: their sockets are in a folder of the run, which
    python removes, as it does not where a worker that made its own is ended.
    """
    if loader.num_workers:
        get_temp_dir()  # made here, or else by each worker
        loader.worker_init_fn = _Deaf(loader.worker_init_fn)
    return loader


class _Deaf:
    def __init__(self, then: Callable[[int], Any] | None) -> None:
        self._then = then

    def __call__(self, worker: int) -> None:
        leave_signals_to_the_parent()
        if self._then is not None:
            self._then(worker)


def _end_with(run: int) -> None:
    """Wait for a SIGTERM from the process ``run``, and end this one."""
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != run:
        pass
    os._exit(0)
