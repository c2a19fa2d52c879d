"""What all tools share on the command line: parser, exit codes, one clear line for a mistake.

It imports neither torch nor mmengine, and a tool imports what does only after parsing its flags:
help and a wrong flag are answered at once.
"""

import argparse
import gc
import io
import os
import select
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from bag_of_transfer.engine.bars import stop_bars
from bag_of_transfer.engine.errors import UserError, as_user_error, mistake_in
from bag_of_transfer.engine.home import at_home
from bag_of_transfer.engine.interruption import (
    TerminatedError,
    end_at_once,
    listen,
    raise_if_swallowed,
)
from bag_of_transfer.engine.lost_process import lost_process
from bag_of_transfer.engine.printable import escaping_prints, printable
from bag_of_transfer.engine.process_group import leave_group
from bag_of_transfer.engine.shared_exit import join_failure

__all__ = [
    "END_WORDS",
    "ToolParser",
    "parser",
    "run_tool",
    "running_s",
    "set_data_root",
]

PIPE_CLOSED = 141
ENDED = {KeyboardInterrupt: ("interrupted", 130), TerminatedError: ("terminated", 143)}
END_WORDS = tuple(word for word, _ in ENDED.values())  # with which the last line begins then


def run_tool(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Call ``main`` and turn what happens into an exit code of the contract.

    A :class:`UserError` and an output that cannot be written become one line on stderr;
    ``--debug`` lets every traceback through.

    Args:
        main: The tool.
        argv: Its arguments; None: those of this process, which ends when the tool has, unless it
            is interactive: a notebook's ``%run``, or ``python -i``.
    """
    ends = argv is None and not (hasattr(sys, "ps1") or sys.flags.inspect)
    argv = sys.argv[1:] if argv is None else argv
    _clock.begun = time.monotonic()
    handlers = listen()
    _print_any_name()
    try:
        with escaping_prints():
            code = _call(main, argv)
        sys.stdout.flush()
        if ends:
            leave_group()
        return code
    except (KeyboardInterrupt, TerminatedError) as ended:
        end_at_once(ends)
        word, code = ENDED[type(ended)]
        is_reporter, code = join_failure(code, on_all_ranks=False)
        stop_bars()
        if is_reporter:
            print(": ".join([word, *map(str, ended.args)]), file=sys.stderr)
        return code
    except Exception as error:
        end_at_once(ends)
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            stop_bars()
            return PIPE_CLOSED
        if "--debug" in argv:
            raise
        return _report(error)
    finally:
        end_at_once(ends)
        if ends:
            gc.freeze()  # python would look for garbage among all that was imported: seconds
        else:
            for number, handler in handlers.items():
                signal.signal(number, handler or signal.SIG_DFL)  # None: it is not Python's


def _call(main: Callable[[Sequence[str] | None], int], argv: Sequence[str]) -> int:
    try:
        return main(argv)
    except Exception:
        raise_if_swallowed()  # a library has made an error of it
        raise


def running_s() -> float:
    """Return how many seconds the tool has been running."""
    return time.monotonic() - _clock.begun


_clock = SimpleNamespace(begun=time.monotonic())


def _print_any_name() -> None:
    """Let stdout print names of files that are not UTF-8 with escapes, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _nobody_reads() -> bool:
    """Return whether ``| head`` or the like has closed stdout; if so, drop what is unwritten."""
    output = select.poll()
    output.register(sys.stdout, select.POLLOUT)
    closed = any(event & select.POLLERR for _, event in output.poll(0))
    if closed:  # Python would write the rest when it ends, and fail with a message
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return closed


def _report(error: Exception) -> int:
    mistake = mistake_in(error)
    user_error = mistake or as_user_error(error) or lost_process(error)
    own_code = user_error.exit_code if user_error else 1
    # A disk may be full on one machine of several, or only for the process that writes.
    is_reporter, code = join_failure(own_code, on_all_ranks=mistake is not None)
    stop_bars()
    if not is_reporter:
        return code
    message = user_error or (
        f"internal failure: {type(error).__name__}: {error}".strip()
        + ": run again with --debug for details"
    )
    print(printable(f"error: {message}"), file=sys.stderr)
    return code


class ToolParser(argparse.ArgumentParser):
    """A parser that also checks what was given, before the tool imports what takes seconds.

    Attributes:
        elsewhere: What to write here instead of flags that similar tools have.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.elsewhere: dict[str, str] = {}
        self._checks: list[Callable[[argparse.Namespace], None]] = []

    def then_check(self, check: Callable[[argparse.Namespace], None]) -> None:
        """Call ``check`` with what was parsed; it raises UserError."""
        self._checks.append(check)

    def parse_args(self, *args: Any, **more: Any) -> Any:
        """Parse, as argparse does, and check."""
        return self._checked(super().parse_args(*args, **more))

    def parse_intermixed_args(self, *args: Any, **more: Any) -> Any:
        """Parse, as argparse does, and check."""
        return self._checked(super().parse_intermixed_args(*args, **more))

    def _checked(self, parsed: Any) -> Any:
        at_home(vars(parsed))
        for check in self._checks:
            check(parsed)
        return parsed

    def error(self, message: str) -> NoReturn:
        """End with one line."""
        # argparse would print the usage first; the contract wants the error on the first line.
        flags = [word.rstrip(":").partition("=")[0] for word in message.split()]
        known = [self.elsewhere[flag] for flag in flags if flag in self.elsewhere]
        mend = known[0] if known else f"see {self.prog} -h"
        print(f"error: {message}: {self.prog}: {mend}", file=sys.stderr)
        sys.exit(UserError.exit_code)


def parser(description: str, example: str) -> ToolParser:
    """Return a parser that knows ``--debug`` and whose help ends with one example."""
    new_parser = ToolParser(
        description=description,
        epilog="example:\n" + textwrap.indent(example, "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    new_parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return new_parser


def set_data_root(folder: Path | None) -> None:
    """Set ``$DATA_ROOT`` to ``--data-root``, if given; configs say ``{{$DATA_ROOT:data}}``."""
    if folder:
        os.environ["DATA_ROOT"] = str(folder)
