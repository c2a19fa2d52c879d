"""Run a ladder's cells one after another, each in a process of its own."""

import contextlib
import importlib
import io
import multiprocessing
import os
import runpy
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from engine.errors import UserError
from ladder.plan import Cell, Command

__all__ = ["run_cells"]

ROOT = Path(__file__).resolve().parents[1]
# In this order: detection stands in for mmcv's compiled ops, which mmdet wants when imported.
SLOW_IMPORTS = ("classification", "detection", "segmentation", "mmdet.models", "mmseg.models")


def run_cells(cells: Sequence[Cell]) -> None:
    """Run the cells that have no result yet.

    A cell runs the same tools as a user, in a fork of this process: what was imported here
    need not be imported again, and nothing that a run leaves behind reaches the next.

    Raises:
        UserError: If a command of a cell fails; its own message stands above.
    """
    missing = [cell for cell in cells if not cell.result.exists()]
    print(f"{len(cells)} cells, {len(cells) - len(missing)} done before", flush=True)
    _import_once()
    for index, cell in enumerate(missing, start=1):
        started = time.perf_counter()
        print(f"\n[{index}/{len(missing)}] {cell.name}", flush=True)
        for command in cell.commands:
            _run(command, cell)
        print(f"[{index}/{len(missing)}] {time.perf_counter() - started:.0f} s", flush=True)


def _import_once() -> None:
    with contextlib.redirect_stdout(io.StringIO()):  # mmdet prints what it did not import
        for name in SLOW_IMPORTS:
            importlib.import_module(name)


def _run(command: Command, cell: Cell) -> None:
    print("$ python " + " ".join(command), flush=True)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_as_tool, args=(command,))
    process.start()
    process.join()
    if process.exitcode:
        raise UserError(
            f"a command ended with exit code {process.exitcode}: python {' '.join(command)}",
            cell.name,
            "mend what it says above and call again: finished cells are kept",
        )


def _as_tool(command: Command) -> None:
    tool = ROOT / command[0]
    sys.argv = [str(tool), *command[1:]]
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    runpy.run_path(str(tool), run_name="__main__")
