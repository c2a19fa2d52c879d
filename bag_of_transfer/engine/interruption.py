"""Let signals end a run: at once, or in a training after the step's state is saved.

SIGTERM and SIGINT (Ctrl-C) end a run, SIGUSR1 asks a training to save and go on.  A training that
can save calls :func:`wait_for_a_step`; from then on the first signal is only noted, and the hook
that saves looks for it after each step.  A second Ctrl-C does not wait.

An exception in an at-fork hook or in a ``__del__`` is only printed ("Exception ignored in"), so
what a handler raises is noted as well, and a hook of every run looks for that.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from bag_of_transfer.engine.process_group import is_first_here

__all__ = [
    "TerminatedError",
    "act_at_once",
    "end_asked",
    "end_at_once",
    "forget_save",
    "listen",
    "raise_if_swallowed",
    "raise_noted",
    "save_asked",
    "telling",
    "wait_for_a_step",
]

# torchrun passes on a Ctrl-C that its processes have got from the terminal already.
SAME_S = 2.0
WAITS = "saving the run's state after this step; press Ctrl-C to end without\n"


class TerminatedError(BaseException):
    """SIGTERM arrived; not an Exception, so ``except Exception`` does not swallow it."""


class _Signals:
    """What has arrived since the tool began to listen."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.process = os.getpid()
        self.noted: type[BaseException] | None = None
        self.noted_at = 0.0
        self.save = self.waiting = False


_signals = _Signals()


def listen() -> dict[signal.Signals, Any]:
    """Install the handlers and forget the signals of an earlier run.

    Where SIGINT was ignored at the start it stays ignored: a shell starts background jobs like
    that.

    Returns:
        The handlers that these replace, by signal.
    """
    _signals.forget()
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _on_end)}
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, _on_save)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _on_end)
    return before


def wait_for_a_step() -> None:
    """Note the first signal from now on; who calls this looks at :func:`end_asked` by itself."""
    _signals.waiting = True


def act_at_once() -> None:
    """Let a signal end the run at once again, or do so if one waits."""
    _signals.waiting = False
    raise_if_swallowed()


def end_at_once(ends: bool) -> None:
    """Let signals end this process without a word, as it is ending in any case.

    Python prints a traceback of what a handler raises once the tool has returned.

    Args:
        ends: Whether it is; if not, nothing changes.
    """
    for one in (signal.SIGTERM, signal.SIGINT):
        if ends and signal.getsignal(one) is _on_end:
            signal.signal(one, signal.SIG_DFL)


def end_asked() -> bool:
    """Return whether SIGTERM or SIGINT has arrived."""
    return _signals.noted is not None


def save_asked() -> bool:
    """Return whether SIGUSR1 has arrived since :func:`forget_save`."""
    return _signals.save


def forget_save() -> None:
    """Note that the state is saved."""
    _signals.save = False


def raise_noted(message: str) -> None:
    """End the run because of the signal that was noted.

    Args:
        message: What was saved and how to go on, for the tool's last line.

    Raises:
        KeyboardInterrupt: After SIGINT.
        TerminatedError: After SIGTERM.
    """
    raise (_signals.noted or TerminatedError)(message)


@contextlib.contextmanager
def telling(how: Callable[[], str]) -> Iterator[None]:
    """Let the last line after a signal say how to go on.

    Args:
        how: Returns that, or an empty text; not called where the signal says it already.

    Raises:
        KeyboardInterrupt: After SIGINT.
        TerminatedError: After SIGTERM.
    """
    try:
        yield
    except (KeyboardInterrupt, TerminatedError) as ended:
        said = "" if ended.args else how()
        if not said:
            raise
        raise type(ended)(said) from None


def raise_if_swallowed() -> None:
    """Raise again what a signal's handler raised, if something has swallowed it.

    Raises:
        KeyboardInterrupt: After SIGINT.
        TerminatedError: After SIGTERM.
    """
    if _signals.noted and not _signals.waiting:
        raise _signals.noted


def _on_end(signum: int, frame: FrameType | None) -> None:
    kind = KeyboardInterrupt if signum == signal.SIGINT else TerminatedError
    if os.getpid() != _signals.process:  # in a fork that has not set handlers of its own yet
        os._exit(128 + signum)
    first, now = _signals.noted is None, time.monotonic()
    if first:
        _signals.noted, _signals.noted_at = kind, now
    again = signum == signal.SIGINT and not first and not _is_passed_on(now)
    if not _signals.waiting or again:
        _signals.waiting = False
        raise _signals.noted or kind
    if first and is_first_here():
        os.write(2, WAITS.encode())  # print would fail if the signal came in the middle of one


def _is_passed_on(now: float) -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ and now - _signals.noted_at < SAME_S


def _on_save(signum: int, frame: FrameType | None) -> None:
    _signals.save = True
