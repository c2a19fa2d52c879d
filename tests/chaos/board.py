"""What runs tell whoever kills them: memory that all share and that SIGKILL leaves as it is."""

import mmap
import os
import signal
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.weights.checkpoint_hook import SafeCheckpointHook

__all__ = ["Board"]

RESUMPTIONS, LOST, REACHED, OPERATIONS, DIES_AT, PLACES = range(6)
MOST = 8  # work dirs at once


class Board:
    """Counts of the attempt that is going on, and how far the runs have come in all attempts.

    ``resumptions`` are the runs that went on with training, or began it; ``lost`` the iterations
    that they had to repeat; ``reached`` the iterations that the newest of them has done.
    ``operations`` are those on files in the watched folder: writing the first half of a file and
    the rest, flushing it to the disk, moving it into place, removing one.
    """

    def __init__(self) -> None:
        self._counts = memoryview(mmap.mmap(-1, 8 * (PLACES + 2 * MOST))).cast("q")

    resumptions = property(lambda self: self._counts[RESUMPTIONS])
    lost = property(lambda self: self._counts[LOST])
    reached = property(lambda self: self._counts[REACHED])
    operations = property(lambda self: self._counts[OPERATIONS])

    def forget(self) -> None:
        """Forget how far runs have come: others begin."""
        for index in range(len(self._counts)):
            self._counts[index] = 0

    def begin(self, dies_at: int = 0) -> None:
        """Begin an attempt; its process will kill itself at the operation of this number."""
        for index in (RESUMPTIONS, LOST, OPERATIONS):
            self._counts[index] = 0
        self._counts[DIES_AT] = dies_at

    def watch(self, folder: Path) -> None:
        """Tell of the runs of this process and its forks, and of what itself does in ``folder``."""
        self._watch_steps()
        self._watch_files(f"{folder}{os.sep}")

    def _place_of(self, work_dir: str) -> int:
        """Return the index at which a run's work dir stands; its iterations follow."""
        name = zlib.crc32(work_dir.encode())
        places = range(PLACES, len(self._counts), 2)
        place = next(one for one in places if self._counts[one] in (0, name))
        self._counts[place] = name
        return place

    def _watch_steps(self) -> None:
        begin, step = SafeCheckpointHook.before_train, SafeCheckpointHook.after_train_iter

        def before_train(hook: Any, runner: Any) -> None:
            hook.place = self._place_of(str(runner.work_dir)) + 1
            self._counts[LOST] += max(self._counts[hook.place] - runner.iter, 0)
            self._counts[REACHED] = self._counts[hook.place] = runner.iter
            self._counts[RESUMPTIONS] += 1
            begin(hook, runner)

        def after_train_iter(hook: Any, runner: Any, *what: Any, **more: Any) -> None:
            self._counts[REACHED] = self._counts[hook.place] = runner.iter + 1
            step(hook, runner, *what, **more)

        SafeCheckpointHook.before_train = before_train  # type: ignore[method-assign]
        SafeCheckpointHook.after_train_iter = after_train_iter  # type: ignore[method-assign]

    def _watch_files(self, inside: str) -> None:
        run = os.getpid()

        def count() -> None:
            self._counts[OPERATIONS] += 1
            if self._counts[OPERATIONS] == self._counts[DIES_AT]:
                os.kill(run, signal.SIGKILL)

        def is_ours(place: Any) -> bool:
            if isinstance(place, int):
                place = os.readlink(f"/proc/self/fd/{place}")
            return os.getpid() == run and str(place).startswith(inside)

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(place: Any, *what: Any, **more: Any) -> Any:
                if is_ours(place):
                    count()
                return call(place, *what, **more)

            return wrapped

        def in_halves(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(path: Path, content: Any, *what: Any, **more: Any) -> Any:
                if is_ours(path):
                    call(path, content[: len(content) // 2], *what, **more)
                    count()
                return call(path, content, *what, **more)

            return wrapped

        for name in ("replace", "fsync", "unlink", "remove"):
            setattr(os, name, counted(getattr(os, name)))
        for name in ("write_bytes", "write_text"):
            setattr(Path, name, in_halves(getattr(Path, name)))
