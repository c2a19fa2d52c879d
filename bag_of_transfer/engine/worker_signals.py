"""Let loader workers outlive signals that reach a whole process group.

Ctrl-C, ``timeout``, ``scancel`` and service managers signal every process of a group.  A training
that saves first still needs batches from its workers, which end with it in any case.
"""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from torch.utils.data import DataLoader

__all__ = ["leave_signals_to_the_run"]


def leave_signals_to_the_run(loader: DataLoader) -> DataLoader:
    """Let the loader's workers, when they start, ignore SIGINT, SIGUSR1 and the first SIGTERM."""
    if loader.num_workers:
        loader.worker_init_fn = _Deaf(loader.worker_init_fn)
    return loader


class _Deaf:
    def __init__(self, then: Callable[[int], Any] | None) -> None:
        self._then = then

    def __call__(self, worker: int) -> None:
        for ignored in (signal.SIGINT, signal.SIGUSR1):
            signal.signal(ignored, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _end_next_time)
        if self._then is not None:
            self._then(worker)


def _end_next_time(signum: int, frame: FrameType | None) -> None:
    """Let the next SIGTERM end the worker: torch and multiprocessing end stuck ones by it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
