"""Run one of this toolkit's tools in a process of its own, as a user would."""

import contextlib
import ctypes
import functools
import importlib
import io
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import torch

from bag_of_transfer.engine.cli import END_WORDS
from bag_of_transfer.engine.own_files import ROOT
from bag_of_transfer.ladder.run.ray_task import ERROR, PR_SET_PDEATHSIG

__all__ = ["ERROR", "die_with_parent", "import_once", "run_quietly", "run_tool", "stream"]

# The order matters: detection provides mmcv's compiled ops, which mmdet needs when imported.
SLOW_IMPORTS = (
    "bag_of_transfer.classification",
    "bag_of_transfer.detection",
    "bag_of_transfer.segmentation",
    "mmdet.datasets",
    "mmdet.models",
    "mmseg.models",
)


@functools.cache
def starts_anew() -> bool:
    """Return whether tools need a fresh process instead of a fork of this one.

    CUDA does not work in the fork of a process that has looked for GPUs, and importing mmengine
    looks for them.  The answer is cached, so that forks have it, too.
    """
    return torch.cuda.is_available()


def import_once() -> None:
    """Import slow modules once before processes are forked; do nothing where none is forked."""
    if starts_anew():
        return
    with contextlib.redirect_stdout(io.StringIO()):  # mmdet prints what it did not import
        for name in SLOW_IMPORTS:
            importlib.import_module(name)


def die_with_parent() -> None:
    """End this process when its parent is killed; Linux only, elsewhere the lock shows it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def stream(source: int, target: int) -> TextIO:
    """Make the file ``target`` (1 or 2) a copy of ``source``, and return it as a text file."""
    os.dup2(source, target)
    return open(target, "w", buffering=1, encoding="utf-8", closefd=False)


def run_tool(command: Sequence[str], *, tells_end: bool = True) -> tuple[int, str]:
    """Run a tool; return its exit code and the first error that it wrote to stderr.

    Args:
        command: The tool's file, seen from the repository, and its arguments.
        tells_end: Let its last line after a signal through.  A ladder on the same screen has one
            of its own, and another way to go on.
    """
    print("$ python " + " ".join(command), flush=True)
    reader, writer = os.pipe()
    errors: list[str] = []
    terminate, wait = _start(command, 1, writer)
    os.close(writer)
    before = signal.signal(signal.SIGTERM, _pass_on(terminate))
    held_back = () if tells_end else END_WORDS
    listener = threading.Thread(target=_listen, args=(reader, errors, held_back), daemon=True)
    listener.start()
    code = wait()
    listener.join()
    signal.signal(signal.SIGTERM, before)
    return code, errors[0] if errors else ""


def run_quietly(command: Sequence[str], log: Path) -> None:
    """Run a tool; write all its output to the file ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        _, wait = _start(command, file.fileno(), file.fileno())
        wait()


def _start(
    command: Sequence[str], stdout: int, stderr: int
) -> tuple[Callable[[], None], Callable[[], int]]:
    """Start a tool that writes to open files; return functions that end it and wait for it."""
    if starts_anew():
        words = [sys.executable, "-u", str(ROOT / command[0]), *command[1:]]
        more: dict[str, Any] = dict(stdout=stdout, stderr=stderr, preexec_fn=_prepare)
        fresh = subprocess.Popen(words, **more)
        return fresh.terminate, fresh.wait
    context = multiprocessing.get_context("fork")
    forked = context.Process(target=_become, args=(command, stdout, stderr))
    forked.start()

    def wait() -> int:
        forked.join()
        return forked.exitcode or 0

    return forked.terminate, wait


def _prepare() -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _become(command: Sequence[str], stdout: int, stderr: int) -> None:
    """Run the tool in a fork, where slow modules are imported already."""
    die_with_parent()
    if stdout != 1:
        sys.stdout = stream(stdout, 1)
    sys.stderr = stream(stderr, 2)
    os.close(stderr)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tool = ROOT / command[0]
    sys.argv = [str(tool), *command[1:]]
    runpy.run_path(str(tool), run_name="__main__")


def _pass_on(terminate: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    def handler(signum: int, frame: FrameType | None) -> None:
        terminate()

    return handler


def _listen(reader: int, errors: list[str], held_back: tuple[str, ...]) -> None:
    """Pass stderr on, and keep the lines that begin with ``error:``."""
    with os.fdopen(reader, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith(held_back):
                sys.stderr.write(line)
                sys.stderr.flush()
            if line.startswith(ERROR):
                errors.append(line.removeprefix(ERROR).strip())
