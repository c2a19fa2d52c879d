"""Let Ctrl-C and SIGTERM end a run even where Python swallows what the handler raises.

An exception in an at-fork hook or in a ``__del__`` is only printed ("Exception ignored in").  So
the handler also notes the signal, and a hook of every run looks for it after each iteration.
"""

import signal
from types import FrameType

__all__ = ["TerminatedError", "listen", "raise_if_swallowed"]


class TerminatedError(BaseException):
    """SIGTERM arrived; not an Exception, so ``except Exception`` does not swallow it."""


_noted: list[type[BaseException]] = []


def listen() -> None:
    """Install the handlers and forget the signals of an earlier run.

    Where SIGINT was ignored at the start it stays ignored: a shell starts background jobs like
    that.
    """
    _noted.clear()
    signal.signal(signal.SIGTERM, _on_sigterm)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _on_sigint)


def raise_if_swallowed() -> None:
    """Raise again what a signal's handler raised, if something has swallowed it.

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
