"""Run tools in forks of a process that has imported the libraries; who made them may kill them."""

import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from bag_of_transfer.ladder.run.tool_process import die_with_parent, stream

__all__ = ["Fork", "start"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Fork:
    """A tool that runs, as the first of a process group of its own."""

    process: BaseProcess
    begun: float

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; return the exit code (-9 after SIGKILL), None if it still runs."""
        self.process.join(max(seconds, 0))
        return self.process.exitcode

    def signal(self, number: int, whole_group: bool = False) -> None:
        """Send a signal to the tool, or to its workers, too."""
        pid = self.process.pid or 0
        if self.process.is_alive():
            os.killpg(pid, number) if whole_group else os.kill(pid, number)

    def end(self, seconds: float) -> int:
        """Wait for the end, and return the exit code.

        Raises:
            TimeoutError: If it takes longer; the tool is killed.
        """
        code = self.wait(seconds)
        if code is None:
            self.signal(signal.SIGKILL, whole_group=True)
            self.process.join()
            raise TimeoutError(f"no end after {seconds:.0f} s")
        return code


def start(tool: str, argv: Sequence[str | Path], log: Path, before: Callable[[], None]) -> Fork:
    """Start a tool as its command line would.

    Args:
        tool: Its name in ``tools/``.
        argv: Its arguments.
        log: Gets what it prints.
        before: Called in the new process before the tool.
    """
    words = [str(ROOT / "tools" / f"{tool}.py"), *map(str, argv)]
    process = multiprocessing.get_context("fork").Process(target=_become, args=(words, log, before))
    begun = time.monotonic()
    process.start()
    return Fork(process, begun)


def _become(words: list[str], log: Path, before: Callable[[], None]) -> None:
    os.setsid()
    die_with_parent()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdout, sys.stderr = stream(out, 1), stream(out, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    before()
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")
