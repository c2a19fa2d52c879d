"""One long step on the screen: a rich bar on a terminal, plain lines elsewhere.

All bars of a process live in one display, so that a step inside a step (a scan while a run is
being built) adds a bar instead of failing. Everything goes to the stdout of the moment, where
the log goes, too: stderr is kept for ``error: ...``, and a tool whose stdout is read by a program
wraps its work in ``contextlib.redirect_stdout(sys.stderr)``.
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TYPE_CHECKING, TypeVar

from bag_of_transfer.engine.interruption import raise_if_swallowed
from bag_of_transfer.engine.process_group import is_main_process
from bag_of_transfer.engine.quantities import duration, rate

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Step", "console_handlers", "on_terminal", "stop_bars", "track", "waiting"]

T = TypeVar("T")

LINE_EVERY_S = 10.0  # plain lines: a log of a night stays readable
BAR_EVERY_S = 0.25  # a terminal: the eye needs no more, and two cores have better things to do


class Step:
    """A step of ``total`` parts (None: unknown) that shows its progress.

    On a terminal it shows a bar, which ``end`` replaces with one last line.  Elsewhere it prints a
    line from time to time.  Each line reads ``NAME | DONE/TOTAL | NOTE``.
    """

    def __init__(self, name: str, total: int | None, done: int = 0) -> None:
        self.name, self.total, self.done = name, total, done
        self.started = self._shown = self._moved = time.perf_counter()
        self._bars = _display.open() if on_terminal() else None
        self._task: TaskID | None = None
        if self._bars is not None:
            self._task = self._bars.add_task(name, total=total, completed=done, note="")

    @property
    def due(self) -> bool:
        """Return whether it is time for another ``show``."""
        wait = LINE_EVERY_S if self._bars is None else BAR_EVERY_S
        return time.perf_counter() - self._shown >= wait

    @property
    def silent_s(self) -> float:
        """Return the seconds since the last ``show``, or since the start."""
        return time.perf_counter() - self._shown

    def advance_to(self, done: int) -> None:
        """Move the bar; cheap enough for every iteration."""
        self.done = done
        now = time.perf_counter()
        if self._bars is not None and self._task is not None and now - self._moved >= BAR_EVERY_S:
            self._moved = now
            self._bars.update(self._task, completed=done)

    def show(self, note: str) -> None:
        """Write ``note`` beside the bar, or a plain line."""
        self._shown = time.perf_counter()
        if self._bars is None:
            self._say(note)
        elif self._task is not None:
            self._bars.update(self._task, completed=self.done, note=note)

    def end(self, note: str) -> None:
        """Remove the bar and print one last line."""
        self.close()
        self._say(note)

    def close(self) -> None:
        """Remove the bar and print nothing; may be called more than once."""
        if self._bars is not None and self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
            if self._bars is _display.bars:  # not stopped from outside meanwhile
                _display.close()

    def _say(self, note: str) -> None:
        count = str(self.done) if self.total is None else f"{self.done}/{self.total}"
        print(" | ".join(part for part in (self.name, count, note) if part), flush=True)


def track(sequence: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items of a long loop and show its progress, its rate and the time left.

    Args:
        sequence: What the loop goes over.
        description: What the loop does, such as "reading every image once".
        total: Number of items, where ``sequence`` has no length.

    Yields:
        The items, unchanged; only rank 0 shows anything.

    Raises:
        KeyboardInterrupt: After SIGINT, if something in the loop has swallowed it.
        TerminatedError: After SIGTERM, likewise.
    """
    if not is_main_process():
        yield from sequence
        return
    if total is None and isinstance(sequence, Sized):
        total = len(sequence)
    step = Step(description, total)
    step.show("")
    try:
        for done, item in enumerate(sequence, start=1):
            yield item
            raise_if_swallowed()
            step.advance_to(done)
            if step.due:
                step.show(_rate_note(step))
        step.end(_rate_note(step))
    finally:  # after an error in the loop, or a break, no last line claims that it is done
        step.close()


@contextlib.contextmanager
def waiting(name: str) -> Iterator[None]:
    """Show on a terminal, and only there, that something of unknown length goes on."""
    step = Step(name, None) if on_terminal() and is_main_process() else None
    try:
        yield
    finally:
        if step is not None:
            step.close()


def on_terminal() -> bool:
    """Return whether stdout can redraw a line; FORCE_COLOR alone does not make it so."""
    isatty = getattr(sys.stdout, "isatty", lambda: False)
    return bool(isatty()) and os.environ.get("TERM", "") not in ("", "dumb")


def console_handlers(logger: logging.Logger) -> list[logging.StreamHandler]:
    """Return the handlers that write to the screen, not to a file."""
    return [
        handler
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler)
        and not isinstance(handler, logging.FileHandler)
    ]


def stop_bars() -> None:
    """Give the terminal back at once; call it before reporting an error."""
    _display.stop()


class _Display:
    """The one rich display of the process, alive while a step needs it."""

    def __init__(self) -> None:
        self.bars: Progress | None = None
        self.users = 0
        self.moved: list[tuple[logging.StreamHandler, object]] = []

    def open(self) -> "Progress":
        if self.bars is None:
            # Imported here: most runs have no terminal, and cli.py calls stop_bars in any case.
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            note = TextColumn("{task.fields[note]}")
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), note)
            self.bars = Progress(
                *columns, console=Console(force_terminal=True), refresh_per_second=1 / BAR_EVERY_S
            )
            self.bars.start()
            self._move_log_above_the_bars()
        self.users += 1
        return self.bars

    def close(self) -> None:
        self.users -= 1
        if self.users <= 0:
            self.stop()

    def stop(self) -> None:
        for handler, stream in self.moved:
            handler.setStream(stream)
        self.moved, self.users = [], 0
        if self.bars is not None:
            self.bars.stop()
            self.bars = None

    def _move_log_above_the_bars(self) -> None:
        # rich replaces sys.stdout, but a handler keeps the stream it was made with and would
        # write into the middle of the bar.
        # Looked up, not imported: a process that has not imported mmengine has no log of it.
        mmengine_logging = sys.modules.get("mmengine.logging")
        if mmengine_logging is None:
            return
        for handler in console_handlers(mmengine_logging.MMLogger.get_current_instance()):
            self.moved.append((handler, handler.stream))
            handler.setStream(sys.stdout)


def _rate_note(step: Step) -> str:
    seconds = time.perf_counter() - step.started
    per_second = step.done / max(seconds, 1e-9)
    if step.total is None:
        return rate(per_second)
    if step.done >= step.total:
        return f"{rate(per_second)} | took {duration(seconds)}"
    left = (step.total - step.done) / max(per_second, 1e-9)
    return f"{rate(per_second)} | left {duration(left)}"


_display = _Display()
