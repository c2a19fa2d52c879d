"""A ladder as SLURM arrays: the script that submits them, and is what they run.

sbatch's flags and the variables of an array's jobs are those of SLURM's manual pages sbatch(1).
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from bag_of_transfer.engine.atomic import write_text
from bag_of_transfer.engine.errors import RefusedError
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.run import status
from bag_of_transfer.ladder.run.schedule import cells_to_run

__all__ = ["levels", "refuse_existing", "write_script"]

HEAD = """#!/bin/bash
# Runs the cells of a ladder that were not done when tools/ladder.py --slurm wrote this file.
#
#   bash {file} --partition=P --time=8:00:00 --gres=gpu:1 --cpus-per-task=8
#
# submits one array of jobs per level; a cell is in a later level than the cells it needs.  The
# arguments are passed to sbatch.  A level starts when the previous one has ended, also if cells
# failed (afterany): with afterok one failed cell would keep all later ones waiting for ever.  A
# cell whose backbone is missing ends at once and says so.  Finished cells stay: write a new
# script for the others.
set -eu
script=$(realpath -- "$0")
"""
# SLURM copies the file before a job runs it; its argument, the level, and the index name the cell.
BODY = """
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
    cell="level$1[$SLURM_ARRAY_TASK_ID]"
    exec "${run[@]}" --cell "${!cell}"
fi
"""


def levels(cells: Sequence[Cell], before: Mapping[str, status.Status]) -> list[list[str]]:
    """Return the keys of cells to run, by level; a cell needs only earlier levels.

    Cells that need one that diverged are left out.

    Args:
        cells: The cells of :func:`bag_of_transfer.ladder.plan.cells.plan`, in its order.
        before: How far each cell is.
    """
    level_of: dict[str, int] = {}
    for cell in cells_to_run(cells, before)[0]:
        level_of[cell.key] = 1 + max((level_of.get(need, -1) for need in cell.needs), default=-1)
    arrays: list[list[str]] = [[] for _ in range(1 + max(level_of.values(), default=-1))]
    for key, level in level_of.items():
        arrays[level].append(key)
    return arrays


def refuse_existing(file: Path) -> None:
    """Check that no script would be overwritten.

    Raises:
        RefusedError: If the file exists.
    """
    if file.exists():
        raise RefusedError("the file exists", file, "name another one, or remove it")


def write_script(
    file: Path, root: Path, arrays: Sequence[Sequence[str]], command: Sequence[str]
) -> None:
    """Write the script.

    Args:
        file: The script.
        root: The ladder's folder; the jobs' logs go to ``slurm/`` there.
        arrays: Of :func:`levels`.
        command: The command that runs a cell, up to ``--cell``, seen from the current folder.

    Raises:
        RefusedError: If the file exists.
    """
    refuse_existing(file)
    write_text(file, _script(file, root, arrays, command))


def _script(file: Path, root: Path, arrays: Sequence[Sequence[str]], command: Sequence[str]) -> str:
    logs = Path.cwd() / root / "slurm"
    data = os.environ.get("DATA_ROOT")
    lines = [HEAD.format(file=shlex.quote(str(file)).replace("\n", " "))]
    lines += [f"cd {shlex.quote(str(Path.cwd()))}"]
    lines += [f"export DATA_ROOT={shlex.quote(data)}"] if data else []
    lines += [f"run=({shlex.join(command)})"]
    for number, keys in enumerate(arrays):
        lines += [f"level{number}=(", *(f"    {shlex.quote(key)}" for key in keys), ")"]
    lines += [BODY]
    lines += [f"mkdir -p {shlex.quote(str(logs))}"]
    log = str(logs).replace("%", "%%") + "/%x_%A_%a.log"  # name, number, index
    name = f"ladder-{root.name}"
    for number, keys in enumerate(arrays):
        words = ["sbatch", "--parsable", f"--job-name={name}", f"--output={log}"]
        after = f' --dependency="afterany:${{job{number - 1}%%;*}}"' if number else ""
        array = f"--array=0-{len(keys) - 1}"
        lines += [f'job{number}=$({shlex.join(words)} {array}{after} "$@" "$script" {number})']
        lines += [f'echo "level {number}: {len(keys)} cells, job ${{job{number}%%;*}}"']
    return "\n".join(lines) + "\n"
