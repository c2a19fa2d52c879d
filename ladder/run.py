"""Run a ladder's cells, each in a process of its own; what is finished is never lost."""

import multiprocessing
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from ladder import state
from ladder.cell_process import import_once, run_cell
from ladder.plan import Cell
from ladder.spec import Ladder

__all__ = ["Outcome", "run_cells"]

STOPPED_S = 60  # so long may a cell take to stop; then it is killed


@dataclass
class Outcome:
    """What became of a call: names of cells, and exit codes of those that failed."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    out_of_time: bool = False


def run_cells(
    cells: Sequence[Cell],
    before: Mapping[str, state.Status],
    ladder: Ladder,
    *,
    jobs: int = 1,
    gpus: Sequence[str] = (),
    max_minutes: float | None = None,
) -> Outcome:
    """Run the cells that are not done, in order, as far as what they need is there.

    A cell that fails is recorded with its reason and the rest goes on; what needs it is skipped.
    When the time is over the running cells are stopped; they go on at the next call.

    Args:
        cells: Of :func:`ladder.plan.plan`.
        before: Of :func:`ladder.state.survey`.
        ladder: What they belong to.
        jobs: So many cells at once; each gets its share of the cores.
        gpus: Of which cell ``i`` at a time sees the ``i``-th; empty: all see all.
        max_minutes: Stop after so long.
    """
    outcome = Outcome()
    ready = {key for key, status in before.items() if status.word == state.DONE}
    waiting = [cell for cell in cells if cell.key not in ready]
    print(f"{len(cells)} cells, {len(ready)} done before", flush=True)
    if not waiting:
        return outcome
    import_once()
    deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    running: dict[int, tuple[Cell, BaseProcess]] = {}  # by place, which says cores and GPU
    total = len(waiting)
    try:
        while waiting or running:
            waiting = _without_hope(waiting, outcome)
            for place in range(jobs):
                cell = next((one for one in waiting if set(one.needs) <= ready), None)
                if place not in running and cell:
                    waiting.remove(cell)
                    number = total - len(waiting)
                    print(f"\n[{number}/{total}] {cell.key}", flush=True)
                    resume = before[cell.key].word == state.CUT_OFF
                    started = _start(cell, ladder, resume, place, jobs, gpus)
                    running[place] = (cell, started)
            if not running:
                break
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not wait([process.sentinel for _, process in running.values()], left):
                outcome.out_of_time = True
                return outcome
            for place in [one for one, (_, made) in running.items() if not made.is_alive()]:
                cell, process = running.pop(place)
                _note(cell, process.exitcode or 0, ready, outcome)
    finally:
        _stop([process for _, process in running.values()])
    return outcome


def _without_hope(waiting: Sequence[Cell], outcome: Outcome) -> list[Cell]:
    """Leave out what needs a cell that failed or was left out."""
    lost = {*outcome.failed, *outcome.skipped}
    kept = []
    for cell in waiting:
        if lost & set(cell.needs):
            outcome.skipped.append(cell.key)
            lost.add(cell.key)
        else:
            kept.append(cell)
    return kept


def _start(
    cell: Cell, ladder: Ladder, resume: bool, place: int, jobs: int, gpus: Sequence[str]
) -> BaseProcess:
    cores = sorted(os.sched_getaffinity(0))
    share = cores[place * len(cores) // jobs : (place + 1) * len(cores) // jobs]
    gpu = gpus[place % len(gpus)] if gpus else None
    process = multiprocessing.get_context("fork").Process(
        target=run_cell,
        args=(cell, ladder.selection, resume, ladder.num_pictures),
        kwargs=dict(cores=share or cores, gpu=gpu, to_file=jobs > 1),
    )
    process.start()
    return process


def _note(cell: Cell, code: int, ready: set[str], outcome: Outcome) -> None:
    if code in (-signal.SIGINT, 130):
        raise KeyboardInterrupt
    if code:
        outcome.failed[cell.key] = code
        print(f"{cell.key} failed (exit code {code}); going on with the rest", flush=True)
    else:
        ready.add(cell.key)
        outcome.done.append(cell.key)


def _stop(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(STOPPED_S)
        if process.is_alive():
            process.kill()
