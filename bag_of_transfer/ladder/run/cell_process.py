"""The process of one cell: it runs the cell's commands, one after another."""

import os
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bag_of_transfer.classification.teacher_cache import read_card as read_cache_card
from bag_of_transfer.engine.errors import UserError, as_user_error, is_divergence, mistake_in
from bag_of_transfer.engine.manifest import remove_checkpoint
from bag_of_transfer.engine.quantities import duration
from bag_of_transfer.engine.run_files import read_metrics
from bag_of_transfer.ladder.folder import (
    ANSWERS,
    BACKBONE,
    CARD,
    LAST_CHECKPOINT,
    LOG,
    METRICS,
    TUNING,
)
from bag_of_transfer.ladder.plan.cells import Cell, Command, commands
from bag_of_transfer.ladder.plan.spec import Ladder
from bag_of_transfer.ladder.run import status
from bag_of_transfer.ladder.run.amp import amp_of
from bag_of_transfer.ladder.run.fingerprint import forget_code
from bag_of_transfer.ladder.run.pictures import draw_cell
from bag_of_transfer.ladder.run.tool_process import (
    ERROR,
    die_with_parent,
    run_tool,
    starts_anew,
    stream,
)

__all__ = ["refuses_added", "run_cell"]

TRAINED = ("img_per_s", "minutes_per_epoch", "seconds")
TRAINERS = ("tools/train_cls.py", "tools/train.py")
WORD = re.compile(r"[\w.+-]*\w")  # a name or a number, without the full stop behind it
TRIED = re.compile(rf"\b{TUNING}/\S*")  # a run's folder, in whose name keys and values are
STOPPED = (130, 143, -signal.SIGINT, -signal.SIGTERM)  # interrupted, which is not a failure


class _FailedError(Exception):
    """A command ended with an exit code other than 0."""

    def __init__(self, code: int, reason: str) -> None:
        signal_name = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        super().__init__(reason or signal_name)
        self.code = code


def run_cell(
    cell: Cell,
    ladder: Ladder,
    resume: bool,
    *,
    cores: Sequence[int],
    gpu: str | None,
    to_file: bool,
) -> None:
    """Run a cell's commands, write its record, and end the process with the exit code.

    Each command runs a tool as a user would, in a process of its own, so that nothing in memory
    reaches the next command.

    Args:
        cell: The cell.
        ladder: Its ladder.
        resume: Continue where the cell was cut off.
        cores: The cores that it may use.
        gpu: The only GPU that it sees; None: all.
        to_file: Write the commands' output to ``log.txt`` in the cell's folder.
    """
    die_with_parent()
    # Ctrl-C reaches the command, too, which then ends with 130.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(os, "sched_setaffinity"):  # Linux only
        os.sched_setaffinity(0, cores)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if not resume:
        status.clear(cell)
    cell.folder.mkdir(parents=True, exist_ok=True)
    if to_file:
        _redirect_to(cell.folder / LOG)
    started = time.perf_counter()
    amp = amp_of(cell, ladder.amp)
    code, reason, train = _make(cell, ladder, amp, resume, tells_end=to_file)
    seconds = time.perf_counter() - started
    # Without a point, a run of a search starts from it: its score decides nothing.
    tried = cell.tunes and cell.point
    lost = reason if tried and (is_divergence(reason) or refuses_added(cell, code, reason)) else ""
    if lost:
        code, reason = 0, ""
    if code not in STOPPED:
        recorded = commands(cell, ladder.selection, amp=amp)
        if code == 0:
            recorded = [with_best(command) for command in recorded]
        words = [command.words for command in recorded]
        status.end(cell, words, seconds, train=train, failed=reason, lost=lost)
    if code == 0:
        print(f"{cell.key}: {lost or duration(seconds)}", flush=True)
        if cell.tunes and cell.task:
            _remove_weights(cell)
    sys.exit(code if code >= 0 else 1)


def _make(
    cell: Cell, ladder: Ladder, amp: str | None, resume: bool, tells_end: bool
) -> tuple[int, str, dict[str, Any]]:
    """Make a cell; return the exit code, the reason of a failure, and the training's speeds."""
    train: dict[str, Any] = {}
    try:
        if starts_anew():  # the tools read the code as it is now
            forget_code()
        status.begin(cell, ladder.selection, resume)
        for command in commands(cell, ladder.selection, resume, amp):
            before = _written(cell)
            code, reason = run_tool(with_best(command).words, tells_end=tells_end)
            if code:
                raise _FailedError(code, reason)
            if command.tool in TRAINERS and _written(cell) != before:
                train = _rates(cell)
        if cell.rung.kind == "file" and cell.task is None:
            _adopt(Path(cell.rung.source), cell.folder)
        if cell.task and not cell.tunes:
            draw_cell(cell, ladder.num_pictures)
    except _FailedError as error:
        return error.code, str(error), train
    except Exception as error:
        known = mistake_in(error) or as_user_error(error)
        if known is None:
            traceback.print_exc()
        reason = str(known or f"{type(error).__name__}: {error}")
        print(f"{ERROR}{reason}", file=sys.stderr, flush=True)
        return known.exit_code if known else 1, reason, train
    return 0, "", train


def refuses_added(cell: Cell, code: int, reason: str) -> bool:
    """Return whether a tool refused a value that the search itself added, and said so.

    Nobody can take such a value out of the search.  A reason that names neither the key nor the
    value, such as data that is missing, has nothing to do with it.
    """
    said = set(WORD.findall(TRIED.sub("", reason)))
    named = {key for key, _ in cell.added}
    # The last part of a key may be an English word, and a whole number may count something else.
    named |= {last for key in named if "_" in (last := key.split(".")[-1])}
    named |= {repr(value) for _, value in cell.added if isinstance(value, float) and value % 1}
    return code == UserError.exit_code and not said.isdisjoint(named)


def _remove_weights(cell: Cell) -> None:
    """Remove the checkpoints of a fine-tuning from which nothing starts."""
    for path in cell.folder.glob("*.pth"):
        remove_checkpoint(path)
    (cell.folder / LAST_CHECKPOINT).unlink(missing_ok=True)


def _redirect_to(path: Path) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdout, sys.stderr = stream(log, 1), stream(log, 2)


def _written(cell: Cell) -> int | None:
    """Return when the metrics were written, in ns; None where there are none."""
    path = cell.folder / METRICS
    return path.stat().st_mtime_ns if path.is_file() else None


def _rates(cell: Cell) -> dict[str, Any]:
    """Return the training's speed, before the test overwrites the file."""
    record = read_metrics(cell.folder, "run the cell again")
    rates = {name: record.get(name) for name in TRAINED}
    if cell.rung.cached and cell.task is None:
        rates["cache_seconds"] = read_cache_card(cell.folder / ANSWERS)["seconds"]
    return rates


def _adopt(source: Path, folder: Path) -> None:
    """Copy a backbone file and its card into the ladder, because the original may change."""
    shutil.copyfile(source, folder / BACKBONE)
    shutil.copyfile(source.with_suffix(".json"), folder / CARD)


def with_best(command: Command) -> Command:
    """Return a command with the checkpoint that was best on val, known only after training."""
    if not command.picked_on_val or command.checkpoint is None:
        return command
    return replace(command, checkpoint=_best(command.checkpoint.parent), picked_on_val=False)


def _best(folder: Path) -> Path:
    paths = sorted(folder.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    if not paths:
        raise UserError(
            "no checkpoint was picked on val",
            folder,
            "set save_best in the task's config, or selection=\"last\" in the ladder's",
        )
    return paths[-1]
