"""Run a ladder's cells on this machine, each in a process of its own."""

import multiprocessing
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.ladder.folder import LOG
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.plan.spec import Ladder
from bag_of_transfer.ladder.run import status
from bag_of_transfer.ladder.run.cell_process import run_cell
from bag_of_transfer.ladder.run.schedule import STOPPED_S, Outcome, cells_to_run, run_in_order
from bag_of_transfer.ladder.run.screen import CellOnScreen
from bag_of_transfer.ladder.run.share import cores_of_place, visible_gpus
from bag_of_transfer.ladder.run.tool_process import import_once

__all__ = ["run_cells"]

LOOK_EVERY_S = 1.0


def run_cells(
    cells: Sequence[Cell],
    before: Mapping[str, status.Status],
    ladder: Ladder,
    *,
    jobs: int = 1,
    gpus: Sequence[str] = (),
    max_minutes: float | None = None,
    since: float | None = None,
    failed: Mapping[str, int] | None = None,
) -> Outcome:
    """Run the cells that are not done, as ``schedule.run_in_order`` says.

    Args:
        cells: Of :func:`bag_of_transfer.ladder.plan.cells.plan`.
        before: Of :func:`bag_of_transfer.ladder.run.status.survey`.
        ladder: Their ladder.
        jobs: Number of cells at once; each gets its share of the cores.
        gpus: GPUs to use: with several jobs, job ``i`` uses the ``i``-th.  Empty: one job sees all
            GPUs, several get one each.
        max_minutes: Stop this long after ``since``.
        since: See ``schedule.run_in_order``.
        failed: See ``schedule.cells_to_run``.
    """
    waiting, outcome = cells_to_run(cells, before, failed)
    if not waiting:
        return outcome
    import_once()
    gpus = gpus or (visible_gpus() if jobs > 1 else ())
    if gpus and jobs > len(gpus):
        print(f"{jobs} jobs share {counted(len(gpus), 'GPU')}", flush=True)
    if jobs > 1:
        cores = counted(len(cores_of_place(0, jobs)), "core")
        print(
            f"{jobs} cells at once, each on {cores}; each writes to {LOG} in its folder", flush=True
        )
    return run_in_order(cells, before, _Processes(ladder, jobs, gpus), max_minutes, since, failed)


class _Processes:
    """Processes of this machine; the number of a place decides its cores and its GPU."""

    def __init__(self, ladder: Ladder, jobs: int, gpus: Sequence[str]) -> None:
        self.ladder, self.jobs, self.gpus = ladder, jobs, gpus
        self.running: dict[int, tuple[str, BaseProcess]] = {}
        self.shown: dict[int, CellOnScreen] = {}

    def has_room(self) -> bool:
        return len(self.running) < self.jobs

    def start(self, cell: Cell, resume: bool) -> None:
        place = next(number for number in range(self.jobs) if number not in self.running)
        gpu = self.gpus[place % len(self.gpus)] if self.gpus else None
        process = multiprocessing.get_context("fork").Process(
            target=run_cell,
            args=(cell, self.ladder, resume),
            kwargs=dict(cores=cores_of_place(place, self.jobs), gpu=gpu, to_file=self.jobs > 1),
        )
        if self.jobs > 1:
            self.shown[place] = CellOnScreen(cell.key, cell.folder / LOG)
        process.start()
        self.running[place] = (cell.key, process)

    def wait(self, seconds: float) -> dict[str, int]:
        ended = self._ended(seconds)
        codes: dict[str, int] = {}
        for place in [i for i, (_, process) in self.running.items() if process.sentinel in ended]:
            key, process = self.running.pop(place)
            process.join()  # the exit code comes a moment after the sentinel
            if place in self.shown:
                shown = self.shown.pop(place)
                shown.update()  # what the cell wrote last
                shown.close()
            codes[key] = process.exitcode or 0
        return codes

    def _ended(self, seconds: float) -> list[Any]:
        """Wait until a process ends, or for ``seconds``; show meanwhile how far the cells are."""
        sentinels = [process.sentinel for _, process in self.running.values()]
        if not self.shown:
            return wait(sentinels, seconds)
        until = time.monotonic() + seconds
        while True:
            left = min(LOOK_EVERY_S, until - time.monotonic())
            ended = wait(sentinels, max(left, 0.0))
            if ended or left <= 0:
                return ended
            for shown in self.shown.values():
                shown.update()

    def stop(self) -> None:
        for shown in self.shown.values():
            shown.close()
        processes = [process for _, process in self.running.values()]
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(STOPPED_S)
            if process.is_alive():
                process.kill()
