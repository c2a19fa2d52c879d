"""Trainings that are alive at once and go on in turns, a chunk of iterations each."""

import threading
from collections.abc import Callable

import torch

__all__ = ["CHUNK", "WARM", "Turns"]

CHUNK, WARM = 50, 5


class Turns:
    """Lets a training in a thread of its own do ``CHUNK`` iterations whenever it is asked.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)

    def start(self, train: Callable[[], object]) -> None:
        """Begin the training; it waits before its first chunk."""

        def in_thread() -> None:
            torch.set_num_threads(1)
            train()

        threading.Thread(target=in_thread, daemon=True).start()
        self.done.acquire()

    def chunk(self) -> float:
        """Let the training go on for one chunk; return its seconds."""
        started = self.clock()
        self.go.release()
        self.done.acquire()
        return self.clock() - started

    def hand_over(self, index: int) -> None:
        """Wait for the next turn if iteration ``index``, which is about to begin, is its first."""
        if index % CHUNK == WARM:
            self.done.release()
            self.go.acquire()
