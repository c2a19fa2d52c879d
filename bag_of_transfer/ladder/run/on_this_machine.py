"""Run a ladder's cells on this machine, each in a process of its own."""

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

import torch

from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.plan.spec import Ladder
from bag_of_transfer.ladder.run import status
from bag_of_transfer.ladder.run.cell_process import run_cell
from bag_of_transfer.ladder.run.schedule import STOPPED_S, Outcome, run_in_order
from bag_of_transfer.ladder.run.tool_process import import_once

__all__ = ["run_cells", "visible_gpus"]


def run_cells(
    cells: Sequence[Cell],
    before: Mapping[str, status.Status],
    ladder: Ladder,
    *,
    jobs: int = 1,
    gpus: Sequence[str] = (),
    max_minutes: float | None = None,
    since: float | None = None,
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
    """
    if all(before[cell.key].word == status.DONE for cell in cells):
        return Outcome()
    import_once()
    gpus = gpus or (visible_gpus() if jobs > 1 else ())
    if gpus and jobs > len(gpus):
        print(f"{jobs} jobs share {len(gpus)} GPUs", flush=True)
    return run_in_order(cells, before, _Processes(ladder, jobs, gpus), max_minutes, since)


def visible_gpus() -> list[str]:
    """Return the GPUs' names as in CUDA_VISIBLE_DEVICES, and only those that it lists."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    count = torch.cuda.device_count()
    return named.split(",")[:count] if named else [str(index) for index in range(count)]


class _Processes:
    """Processes of this machine; the number of a place decides its cores and its GPU."""

    def __init__(self, ladder: Ladder, jobs: int, gpus: Sequence[str]) -> None:
        self.ladder, self.jobs, self.gpus = ladder, jobs, gpus
        self.running: dict[int, tuple[str, BaseProcess]] = {}

    def has_room(self) -> bool:
        return len(self.running) < self.jobs

    def start(self, cell: Cell, resume: bool) -> None:
        place = next(number for number in range(self.jobs) if number not in self.running)
        cores = sorted(os.sched_getaffinity(0))
        share = cores[place * len(cores) // self.jobs : (place + 1) * len(cores) // self.jobs]
        gpu = self.gpus[place % len(self.gpus)] if self.gpus else None
        process = multiprocessing.get_context("fork").Process(
            target=run_cell,
            args=(cell, self.ladder.selection, resume, self.ladder.num_pictures),
            kwargs=dict(cores=share or cores, gpu=gpu, to_file=self.jobs > 1),
        )
        process.start()
        self.running[place] = (cell.key, process)

    def wait(self, seconds: float | None) -> dict[str, int]:
        ended = wait([process.sentinel for _, process in self.running.values()], seconds)
        codes: dict[str, int] = {}
        for place in [i for i, (_, process) in self.running.items() if process.sentinel in ended]:
            key, process = self.running.pop(place)
            process.join()  # the exit code comes a moment after the sentinel
            codes[key] = process.exitcode or 0
        return codes

    def stop(self) -> None:
        processes = [process for _, process in self.running.values()]
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(STOPPED_S)
            if process.is_alive():
                process.kill()
