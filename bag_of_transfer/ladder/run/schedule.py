"""Run cells in order, wherever they run, so that no finished cell is lost."""

import math
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bag_of_transfer.ladder.folder import TUNING
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.run import status

__all__ = ["STOPPED_S", "Outcome", "Places", "cells_to_run", "run_in_order"]

STOPPED_S = 60  # a cell that takes longer to stop is killed
LONGEST_WAIT_S = 24 * 3600.0  # the system's poll takes at most 2**31 ms


@dataclass
class Outcome:
    """The result of a call: keys of cells, and exit codes of those that failed.

    ``skipped`` need one that failed, ``impossible`` one that diverged.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    impossible: list[str] = field(default_factory=list)
    out_of_time: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether what can be done is done for these cells: more may be known now."""
        return not (self.out_of_time or self.blocked)

    @property
    def blocked(self) -> list[str]:
        """Runs of a search that cannot be made, so that it chooses no values."""
        return [key for key in self.impossible if key.startswith(f"{TUNING}/")]


def cells_to_run(
    cells: Sequence[Cell],
    before: Mapping[str, status.Status],
    failed: Mapping[str, int] | None = None,
) -> tuple[list[Cell], Outcome]:
    """Return the cells that have no result and can get one, and what is known of the others.

    Args:
        cells: Of :func:`bag_of_transfer.ladder.plan.cells.plan`.
        before: Of :func:`bag_of_transfer.ladder.run.status.survey`.
        failed: Cells that failed in this call already, with their exit codes: they are not tried
            again, and the outcome begins with them.
    """
    diverged = [cell.key for cell in cells if before[cell.key].word == status.DIVERGED]
    outcome = Outcome(diverged=diverged, failed=dict(failed or {}))
    undone = [cell for cell in cells if not before[cell.key].is_result]
    waiting = [cell for cell in undone if cell.key not in outcome.failed]
    return _still_possible(waiting, outcome), outcome


class Places(Protocol):
    """Where cells run: processes of this machine, or tasks of a cluster."""

    def has_room(self) -> bool:
        """Return whether one more cell may be started."""

    def start(self, cell: Cell, resume: bool) -> None:
        """Start a cell; with ``resume`` it continues where it was cut off."""

    def wait(self, seconds: float) -> dict[str, int]:
        """Wait until cells end; return their exit codes by key, none after ``seconds``."""

    def stop(self) -> None:
        """Stop the cells that still run, so that a later call can continue them."""


def run_in_order(
    cells: Sequence[Cell],
    before: Mapping[str, status.Status],
    places: Places,
    max_minutes: float | None = None,
    since: float | None = None,
    failed: Mapping[str, int] | None = None,
) -> Outcome:
    """Run the cells that have no result, in order, each once the cells that it needs are done.

    A cell that fails is recorded with its reason; the others run, except those that need it.
    Cells that failed in an earlier call come last; one that diverged is not tried again.  When the
    time is over, running cells are stopped; the next call continues them.

    Args:
        cells: Of :func:`bag_of_transfer.ladder.plan.cells.plan`.
        before: Of :func:`bag_of_transfer.ladder.run.status.survey`.
        places: Where they run.
        max_minutes: Stop this long after ``since``.
        since: When the call began, as ``time.monotonic`` gave it; None: now.
        failed: As in :func:`cells_to_run`.
    """
    ready = {key for key, now in before.items() if now.word == status.DONE}
    waiting, outcome = cells_to_run(cells, before, failed)
    waiting.sort(key=lambda cell: before[cell.key].word == status.FAILED)
    began = time.monotonic() if since is None else since
    deadline = None if max_minutes is None else began + 60 * max_minutes
    running: dict[str, Cell] = {}
    total = len(waiting)
    try:
        while waiting or running:
            waiting = _still_possible(waiting, outcome)
            while places.has_room():
                cell = next((cell for cell in waiting if set(cell.needs) <= ready), None)
                if cell is None:
                    break
                waiting.remove(cell)
                print(f"\n[{total - len(waiting)}/{total}] {cell.key}", flush=True)
                places.start(cell, before[cell.key].goes_on)
                running[cell.key] = cell
            if not running:
                break
            left = math.inf if deadline is None else max(0.0, deadline - time.monotonic())
            ended = places.wait(min(left, LONGEST_WAIT_S))
            if not ended and left <= LONGEST_WAIT_S:
                outcome.out_of_time = True
                return outcome
            for key, code in ended.items():
                _note(running.pop(key), code, ready, outcome)
    finally:
        places.stop()
    return outcome


def _still_possible(waiting: Sequence[Cell], outcome: Outcome) -> list[Cell]:
    """Return the cells that do not need, even through others, one that failed or diverged."""
    possible = list(waiting)
    lost = ((outcome.diverged, outcome.impossible), (outcome.failed, outcome.skipped))
    for first, left_out in lost:
        while users := [cell for cell in possible if {*first, *left_out} & set(cell.needs)]:
            left_out += [cell.key for cell in users]
            possible = [cell for cell in possible if cell not in users]
    return possible


def _note(cell: Cell, code: int, ready: set[str], outcome: Outcome) -> None:
    if code in (-signal.SIGINT, 130):
        raise KeyboardInterrupt
    if code and status.has_diverged(cell.folder):
        outcome.diverged.append(cell.key)
        print(f"{cell.key} diverged; going on with the rest", flush=True)
    elif code:
        outcome.failed[cell.key] = code
        print(f"{cell.key} failed (exit code {code}); going on with the rest", flush=True)
    else:
        ready.add(cell.key)
        outcome.done.append(cell.key)
