"""End a run whose loader hangs, or has lost a worker, with one line that says where.

A thread looks at what the workers tell (``loader_signs.py``).  A loader may be slow: it hangs if
one of its workers has been at the same image, or the run has waited without a sign from any worker,
for as long as ``timeout`` of its config says.  Then the workers are killed, which torch reports to
the main thread; without workers a signal interrupts it.  If the main thread does not answer, the
process ends without it.
"""

import contextlib
import multiprocessing
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

from mmengine.runner import Runner
from torch.utils.data import DataLoader

from bag_of_transfer.engine.data.data_sets import file_of
from bag_of_transfer.engine.errors import LostError, UserError, chain
from bag_of_transfer.engine.hard_exit import kill_at_exit, kill_quietly, leave
from bag_of_transfer.engine.quantities import duration
from bag_of_transfer.engine.run.loader_signs import IDLE, Signs, tell, tell_here
from bag_of_transfer.engine.worker_signals import leave_signals_to_the_run

__all__ = ["NO_SIGN_S", "build_loader", "name_loader", "watching_loaders"]

# The whole, until the line is printed, takes less than a minute.
NO_SIGN_S = 45.0
ANSWER_S = 10.0  # that the main thread has, until the process ends without it
LOOK_S = 1.0
WAKE = signal.SIGALRM
LOST = "DataLoader worker"  # torch's errors of a worker that has ended begin with it
MEMORY = "set num_workers or batch_size lower; dmesg tells whether memory was full"
ENDS = {
    signal.SIGKILL: ("was killed (SIGKILL), as the system does where memory is full", MEMORY),
    signal.SIGBUS: (
        "found no shared memory (SIGBUS)",
        "set num_workers or batch_size lower, or give /dev/shm more (docker's --shm-size)",
    ),
}

_watches: weakref.WeakSet["_Watch"] = weakref.WeakSet()


def build_loader(described: Any, *args: Any, **kwargs: Any) -> DataLoader:
    """Build a loader as mmengine's Runner does, and watch it.

    Its ``timeout`` is the time without a sign of life, in seconds; 0 waits for ever.  torch would
    count the time for a whole batch, and refuse it without workers.

    Args:
        described: The config, or a loader.
        args: As ``Runner.build_dataloader`` takes them.
        kwargs: Likewise.
    """
    seconds = NO_SIGN_S
    if isinstance(described, dict):
        described = described.copy()
        seconds = float(described.pop("timeout", seconds))
    loader = leave_signals_to_the_run(Runner.build_dataloader(described, *args, **kwargs))
    if seconds and type(loader) is DataLoader:
        loader.__class__ = _WatchedLoader
        loader.watch = _Watch(loader, seconds)
    return loader


def name_loader(loader: Any, name: str) -> None:
    """Let a loader's errors name its key in the config."""
    if isinstance(loader, _WatchedLoader):
        loader.watch.name = name


class _WatchedLoader(DataLoader):
    watch: "_Watch"

    def __iter__(self) -> Any:
        before = set(multiprocessing.active_children())
        if not self.num_workers:
            tell_here(self.dataset, self.watch.signs)
        batches = super().__iter__()
        self.watch.begin(set(multiprocessing.active_children()) - before)
        return _Batches(batches, self.watch)


class _Batches:
    """A loader's iterator, which tells that it is waited for."""

    def __init__(self, batches: Any, watch: "_Watch") -> None:
        self._next, self._watch = batches.__next__, watch

    def __iter__(self) -> "_Batches":
        return self

    def __next__(self) -> Any:
        self._watch.is_awaited = True
        try:
            return self._next()
        finally:
            self._watch.is_awaited = False


class _Watch:
    """Looks at one loader.

    Attributes:
        is_awaited: Whether the main thread waits for a batch.
        name: The loader's key in the config, for its errors.
    """

    def __init__(self, loader: DataLoader, seconds: float) -> None:
        self.signs: Signs = tell(loader)
        self.seconds, self.is_awaited, self.name = seconds, False, "train_dataloader"
        self.workers: list[Any] = []
        self._dataset = loader.dataset
        self._counts = list(self.signs.counts)
        self._same_for = [0.0] * len(self._counts)
        self._waited = 0.0

    def begin(self, started: set[Any]) -> None:
        """Begin to look; processes that the loader has started take the place of earlier ones."""
        self._same_for = [0.0] * len(self._counts)
        _watches.add(self)
        if started:
            self.workers = list(started)
            kill_at_exit(self.workers)

    def look(self, seconds: float) -> UserError | None:
        """Return the mistake if the loader hangs, after so many seconds since the last look."""
        counts, indices = list(self.signs.counts), list(self.signs.indices)
        moved = [now != before for now, before in zip(counts, self._counts, strict=True)]
        self._counts = counts
        for place, index in enumerate(indices):
            busy = index != IDLE and not moved[place]
            self._same_for[place] = self._same_for[place] + seconds if busy else 0.0
        self._waited = self._waited + seconds if self.is_awaited and not any(moved) else 0.0
        longest = max(range(len(counts)), key=self._same_for.__getitem__)
        if self._same_for[longest] >= self.seconds:
            return self._hung(longest, self._same_for[longest])
        if self._waited >= self.seconds:
            return self._hung(None, self._waited)
        return None

    def _hung(self, place: int | None, seconds: float) -> UserError:
        who = "no worker" if place is None else self._who(place)
        said = "has begun an image" if place is None else "has been at the same image"
        return UserError(
            f"{who} of {self.name} {said} for {duration(seconds)}",
            self._where(place),
            "see whether the file can be read (a network drive may have gone); "
            f"{self.name}.num_workers=0 shows where it hangs, and a larger {self.name}.timeout "
            "waits longer",
        )

    def lost(self) -> UserError | None:
        """Return the mistake if a worker has ended before the loader."""
        for worker in self.workers:
            if worker.exitcode:
                return self._ended(worker.pid, worker.exitcode)
        return None

    def _ended(self, process: int, code: int) -> UserError:
        numbers = list(self.signs.processes)
        place = numbers.index(process) if process in numbers else None
        who = f"{'a worker' if place is None else self._who(place)} of {self.name}"
        if -code in ENDS:
            what, mend = ENDS[signal.Signals(-code)]
            return UserError(f"{who} {what}", self._where(place), mend)
        by = f"by {signal.Signals(-code).name}" if code < 0 else f"with {code}"
        mend = f"{self.name}.num_workers=0 shows where; go on with --resume"
        return LostError(f"{who} has ended {by}", self._where(place), mend)

    def _who(self, place: int) -> str:
        return f"worker {place + 1} of {len(self.workers)}" if self.workers else "the process"

    def _where(self, place: int | None) -> str:
        """Return the files that are being read; without a place, those of all workers."""
        places = range(len(self._counts)) if place is None else [place]
        indices = [self.signs.indices[one] for one in places]
        files = [file_of(self._dataset, one) or f"image {one}" for one in indices if one >= 0]
        return ", ".join(files) or f"{self.name} (between two images)"


@contextlib.contextmanager
def watching_loaders() -> Iterator[None]:
    """Watch all loaders that are in use, and report in one line what has stopped them.

    Raises:
        UserError: If a loader hangs, or a worker was killed.
        LostError: If a worker has ended by itself.
    """
    guard = _Guard()
    with guard.interrupting():
        guard.start()
        try:
            yield
        except BaseException as error:
            mistake = guard.found or (_lost() if _is_about_a_worker(error) else None)
            if mistake is None:
                raise
            kill_quietly([worker for watch in _watches for worker in watch.workers])
            if error is mistake:
                raise
            raise mistake from error
        finally:
            guard.end()
            _watches.clear()


def _is_about_a_worker(error: BaseException) -> bool:
    return any(LOST in str(cause) for cause in chain(error) if isinstance(cause, RuntimeError))


def _lost() -> UserError | None:
    return next(filter(None, (watch.lost() for watch in _watches)), None)


class _Guard:
    """Looks at the loaders now and then, in a thread.

    Attributes:
        found: What has stopped one.
    """

    def __init__(self) -> None:
        self.found: UserError | None = None
        self._ended = threading.Event()
        self._main = threading.get_ident()
        self._may_interrupt = False
        self._thread = threading.Thread(target=self._run, name="loader watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a signal raise what was found in this thread, unless something else uses it."""
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(WAKE) is not signal.SIG_DFL:
            yield
            return
        signal.signal(WAKE, self._raise)
        self._may_interrupt = True
        try:
            yield
        finally:
            signal.signal(WAKE, signal.SIG_DFL)

    def _raise(self, *_: Any) -> None:
        if self.found and not self._ended.is_set():
            raise self.found

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(_pause()):
            now = time.monotonic()
            # Longer if this process was stopped meanwhile (Ctrl-Z): then its workers were, too.
            since, last = min(now - last, 2 * _pause()), now
            for watch in list(_watches):
                self.found = watch.look(since)
                if self.found:
                    self._stop(watch, self.found)
                    return

    def _stop(self, watch: _Watch, found: UserError) -> None:
        if watch.workers:
            for worker in watch.workers:
                worker.kill()
        elif self._may_interrupt:
            signal.pthread_kill(self._main, WAKE)
        if not self._ended.wait(ANSWER_S):
            leave(found)


def _pause() -> float:
    return min([LOOK_S, *(watch.seconds / 10 for watch in list(_watches))])
