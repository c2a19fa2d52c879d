"""What happens in the process of one cell: its commands, one after another."""

import contextlib
import ctypes
import importlib
import io
import json
import multiprocessing
import os
import runpy
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from engine.errors import UserError
from ladder import state
from ladder.pictures import draw_cell
from ladder.plan import BACKBONE, Cell, Command, commands

__all__ = ["as_tool", "import_once", "run_cell"]

ROOT = Path(__file__).resolve().parents[1]
# In this order: detection stands in for mmcv's compiled ops, which mmdet wants when imported.
SLOW_IMPORTS = ("classification", "detection", "segmentation", "mmdet.models", "mmseg.models")
PR_SET_PDEATHSIG = 1  # linux/prctl.h
ERROR = "error: "
TRAINED = ("img_per_s", "minutes_per_epoch", "seconds")


def import_once() -> None:
    """Import what takes seconds before the cells' processes are forked."""
    with contextlib.redirect_stdout(io.StringIO()):  # mmdet prints what it did not import
        for name in SLOW_IMPORTS:
            importlib.import_module(name)


def run_cell(
    cell: Cell,
    selection: str,
    resume: bool,
    num_pictures: int,
    *,
    cores: Sequence[int],
    gpu: str | None,
    to_file: bool,
) -> None:
    """Run a cell's commands and write its record; ends the process with the exit code.

    Each command runs the same tool as a user would, in a fork: what was imported need not be
    imported again, and nothing that a command leaves behind reaches the next.

    Args:
        cell: The cell.
        selection: The ladder's.
        resume: Go on where the cell was cut off.
        num_pictures: So many test images are drawn with what was predicted.
        cores: The cores that it may use.
        gpu: The only GPU that it sees; None: all.
        to_file: Write what the commands say to ``log.txt`` in the cell's folder.
    """
    _die_with_parent()
    # Ctrl-C reaches the command, too, which then ends with 130.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.sched_setaffinity(0, cores)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if not resume:
        shutil.rmtree(cell.folder, ignore_errors=True)
    cell.folder.mkdir(parents=True, exist_ok=True)
    if to_file:
        _say_to(cell.folder / "log.txt")
    state.begin(cell, selection, resume)
    started, made = time.perf_counter(), commands(cell, selection, resume)
    train: dict[str, Any] = {}
    for command in made:
        try:
            command = with_best(command)
        except UserError as error:
            state.end(cell, made, time.perf_counter() - started, failed=str(error))
            print(f"{ERROR}{error}", file=sys.stderr)
            sys.exit(error.exit_code)
        code, reason = _run(command)
        if code:
            if code not in (130, 143, -signal.SIGINT, -signal.SIGTERM):  # cut off is no failure
                seconds = time.perf_counter() - started
                state.end(cell, made, seconds, failed=reason or f"exit code {code}")
            sys.exit(code if code > 0 else 1)
        train = train or _rates(cell)
    if cell.rung.kind == "file" and cell.task is None:
        _adopt(Path(cell.rung.source), cell.folder / BACKBONE)
    if cell.task:
        draw_cell(cell, num_pictures)
    state.end(cell, made, time.perf_counter() - started, train=train)
    print(f"{cell.key}: {time.perf_counter() - started:.0f} s", flush=True)
    sys.exit(0)


def _die_with_parent() -> None:
    """Let no cell outlive a ladder that was killed; Linux only, elsewhere the lock tells."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _say_to(path: Path) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdout, sys.stderr = _stream(log, 1), _stream(log, 2)


def _stream(source: int, target: int) -> TextIO:
    """Let the file ``target`` (1 or 2) be ``source``, also where Python's own was replaced."""
    os.dup2(source, target)
    return open(target, "w", buffering=1, encoding="utf-8", closefd=False)


def _rates(cell: Cell) -> dict[str, Any]:
    """What the first command, the training, says of its speed; the test overwrites the file."""
    path = cell.folder / "metrics.json"
    if not path.is_file():
        return {}
    record = json.loads(path.read_text(encoding="utf-8"))
    return {name: record.get(name) for name in TRAINED}


def _adopt(source: Path, target: Path) -> None:
    """Put a backbone file and its card into the ladder, so that it stays as it was."""
    shutil.copyfile(source, target)
    shutil.copyfile(source.with_suffix(".json"), target.with_suffix(".json"))


# ---- one command ----


def _run(command: Command) -> tuple[int, str]:
    """Run a tool; return its exit code and, of what it said on stderr, the first error."""
    print("$ python " + " ".join(command), flush=True)
    reader, writer = os.pipe()
    process = multiprocessing.get_context("fork").Process(target=as_tool, args=(command, writer))
    errors: list[str] = []
    process.start()
    os.close(writer)
    before = signal.signal(signal.SIGTERM, _pass_on(process))
    listener = threading.Thread(target=_listen, args=(reader, errors), daemon=True)
    listener.start()
    process.join()
    listener.join()
    signal.signal(signal.SIGTERM, before)
    return process.exitcode or 0, errors[0] if errors else ""


def _pass_on(process: Any) -> Callable[[int, FrameType | None], None]:
    def handler(signum: int, frame: FrameType | None) -> None:
        process.terminate()

    return handler


def _listen(reader: int, errors: list[str]) -> None:
    """Hand stderr on and keep the errors that tools begin with ``error:``."""
    with os.fdopen(reader, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            sys.stderr.write(line)
            sys.stderr.flush()
            if line.startswith(ERROR):
                errors.append(line.removeprefix(ERROR).strip())


def as_tool(command: Command, stderr: int) -> None:
    """Become one of our tools: what a forked process does.

    Args:
        command: The tool's file, seen from the repository, and its arguments.
        stderr: Where its errors go, an open file's number.
    """
    _die_with_parent()
    sys.stderr = _stream(stderr, 2)
    os.close(stderr)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tool = ROOT / command[0]
    sys.argv = [str(tool), *command[1:]]
    runpy.run_path(str(tool), run_name="__main__")


def with_best(command: Command) -> Command:
    """Name the checkpoint that was best on val; its name is known only after training."""
    return tuple(str(_best(Path(word).parent)) if _is_best(word) else word for word in command)


def _is_best(word: str) -> bool:
    return Path(word).name == "best" and Path(word).parent.is_dir()


def _best(folder: Path) -> Path:
    found = sorted(folder.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(
            "no checkpoint was picked on val",
            folder,
            "set save_best in the task's config, or selection=\"last\" in the ladder's",
        )
    return found[-1]
