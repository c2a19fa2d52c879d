"""Ctrl-C and SIGTERM that end a run even where Python swallows what the handler raises.

An exception in an at-fork hook or in a ``__del__`` is only printed ("Exception ignored in"); the
signal is noted, therefore, and a hook of every run asks after each iteration.
"""

import signal
from types import FrameType

__all__ = ["TerminatedError", "listen", "raise_if_swallowed"]


class TerminatedError(BaseException):
    """SIGTERM arrived; not an Exception, so that nothing on the way swallows it."""


_noted: list[type[BaseException]] = []


def listen() -> None:
    """Install the handlers and forget the signals of an earlier run.

    SIGINT stays ignored where it was at the start: a shell starts background jobs so.
    """
    _noted.clear()
    signal.signal(signal.SIGTERM, _on_sigterm)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _on_sigint)


def raise_if_swallowed() -> None:
    """Raise what a signal's handler raised before, if the program still runs.

    Raises:
        KeyboardInterrupt: After SIGINT.
        TerminatedError: After SIGTERM.
    """
    if _noted:
        raise _noted[-1]


def _on_sigterm(signum: int, frame: FrameType | None) -> None:
    _noted.append(TerminatedError)
    raise TerminatedError


def _on_sigint(signum: int, frame: FrameType | None) -> None:
    _noted.append(KeyboardInterrupt)
    raise KeyboardInterrupt
