"""One of our tools in a process of its own, as a user would call it."""

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

__all__ = ["ERROR", "die_with_parent", "import_once", "run_quietly", "run_tool", "stream"]

ROOT = Path(__file__).resolve().parents[3]
# In this order: detection stands in for mmcv's compiled ops, which mmdet wants when imported.
SLOW_IMPORTS = (
    "bag_of_transfer.classification",
    "bag_of_transfer.detection",
    "bag_of_transfer.segmentation",
    "mmdet.models",
    "mmseg.models",
)
PR_SET_PDEATHSIG = 1  # linux/prctl.h
ERROR = "error: "


@functools.cache
def starts_anew() -> bool:
    """Tell whether a tool may not be a fork of this process.

    CUDA works in no fork of a process that has asked for it, and importing mmengine asks.  It is
    asked once: forks know the answer.
    """
    return torch.cuda.is_available()


def import_once() -> None:
    """Import what takes seconds before processes are forked; nothing where none is."""
    if starts_anew():
        return
    with contextlib.redirect_stdout(io.StringIO()):  # mmdet prints what it did not import
        for name in SLOW_IMPORTS:
            importlib.import_module(name)


def die_with_parent() -> None:
    """Let no process outlive a ladder that was killed; Linux only, elsewhere the lock tells."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def stream(source: int, target: int) -> TextIO:
    """Let the file ``target`` (1 or 2) be ``source``, also where Python's own was replaced."""
    os.dup2(source, target)
    return open(target, "w", buffering=1, encoding="utf-8", closefd=False)


def run_tool(command: Sequence[str]) -> tuple[int, str]:
    """Run a tool; return its exit code and, of what it said on stderr, the first error.

    Args:
        command: The tool's file, seen from the repository, and its arguments.
    """
    print("$ python " + " ".join(command), flush=True)
    reader, writer = os.pipe()
    errors: list[str] = []
    terminate, wait = _start(command, 1, writer)
    os.close(writer)
    before = signal.signal(signal.SIGTERM, _pass_on(terminate))
    listener = threading.Thread(target=_listen, args=(reader, errors), daemon=True)
    listener.start()
    code = wait()
    listener.join()
    signal.signal(signal.SIGTERM, before)
    return code, errors[0] if errors else ""


def run_quietly(command: Sequence[str], log: Path) -> None:
    """Run a tool; all that it says goes to the file ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        _, wait = _start(command, file.fileno(), file.fileno())
        wait()


def _start(
    command: Sequence[str], stdout: int, stderr: int
) -> tuple[Callable[[], None], Callable[[], int]]:
    """Start a tool whose output goes to open files; return how to end it and to wait for it."""
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
    """Be the tool, in a fork: what was imported need not be imported again."""
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


def _listen(reader: int, errors: list[str]) -> None:
    """Hand stderr on and keep the errors that tools begin with ``error:``."""
    with os.fdopen(reader, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            sys.stderr.write(line)
            sys.stderr.flush()
            if line.startswith(ERROR):
                errors.append(line.removeprefix(ERROR).strip())
