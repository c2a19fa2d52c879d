"""How long the cells that are missing will take, and how much disk, before any is run.

Cells that were run tell by their records.  For others the training tool's own ``--dry-run`` times
a few iterations, once per config.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bag_of_transfer.engine.dry_run import ESTIMATE
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.ladder.folder import LOG, RECORD, SCRATCH
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.run.status import DONE, Status
from bag_of_transfer.ladder.run.tool_process import ERROR, import_once, run_quietly

__all__ = ["Estimate", "describe_estimates", "estimate_cells"]

# Start of the tools, export and test; the demo's cells take that much beside their training.
OVERHEAD_S = 12.0
# Of an iteration's time, forward alone: backward costs about twice as much.
FORWARD = 1 / 3
# Weights and momentum in 32 bits, in the two newest checkpoints and the best.
BYTES_PER_PARAMETER = 4 * 2 * 3


@dataclass(frozen=True)
class Estimate:
    """Time and disk of one cell; ``measured``: a cell like it was run, not only timed."""

    seconds: float
    num_bytes: float
    measured: bool


def estimate_cells(
    cells: Sequence[Cell], before: Mapping[str, Status]
) -> dict[str, Estimate | str]:
    """Estimate every cell that is not done.

    Args:
        cells: Of the plan.
        before: How far each is.

    Returns:
        Estimates by key; for a cell that cannot be timed (its data is missing, for instance) the
        reason.
    """
    known: dict[Any, list[Estimate]] = {}
    for cell in cells:
        if before[cell.key].word == DONE:
            known.setdefault(_like(cell), []).append(_from_record(cell))
    found: dict[str, Estimate | str] = {}
    timed: dict[Any, dict[str, Any] | str] = {}
    for cell in cells:
        if before[cell.key].word == DONE:
            continue
        of_like = known.get(_like(cell))
        if of_like:
            found[cell.key] = _typical(of_like)
        elif cell.config is None:
            found[cell.key] = Estimate(OVERHEAD_S, 0, measured=False)
        else:
            if _like(cell) not in timed:
                timed[_like(cell)] = _time(cell)
            timing = timed[_like(cell)]
            if isinstance(timing, str):
                found[cell.key] = timing
            else:
                found[cell.key] = _from_timing(timing, _teacher(cell, cells, timed))
    return found


def describe_estimates(estimates: Mapping[str, Estimate | str], jobs: int) -> str:
    """Return one line on how long all the cells will take."""
    known = [each for each in estimates.values() if isinstance(each, Estimate)]
    without = len(estimates) - len(known)
    left_out = f"; {without} cells could not be timed" if without else ""
    if not known:
        return f"time and disk unknown{left_out}"
    minutes = sum(each.seconds for each in known) / 60 / jobs
    gigabytes = sum(each.num_bytes for each in known) / 1e9
    how = "from cells run here" if all(each.measured for each in known) else "estimated"
    return f"about {minutes:.0f} min ({how}) and {gigabytes:.1f} GB{left_out}"


def _like(cell: Cell) -> tuple[Any, ...]:
    return (cell.config, cell.rung.cfg_options if cell.task is None else cell.task.cfg_options)


def _from_record(cell: Cell) -> Estimate:
    record = read_json(cell.folder / RECORD, "run the cell again")
    size = sum(path.stat().st_size for path in cell.folder.rglob("*") if path.is_file())
    seconds = float(record["seconds"])
    training = float(record.get("train", {}).get("seconds") or 0.0)
    # For a cell that was cut off, "seconds" counts its last part, "train" all of the training.
    return Estimate(seconds + (training if training > seconds else 0.0), size, measured=True)


def _typical(estimates: Sequence[Estimate]) -> Estimate:
    seconds = median(each.seconds for each in estimates)  # one may have run beside other work
    return Estimate(seconds, max(each.num_bytes for each in estimates), measured=True)


def _from_timing(timing: Mapping[str, Any], teacher_s: float) -> Estimate:
    per_image = timing["seconds_per_iteration"] / timing["batch_size"] * FORWARD
    training = timing["iterations"] * (timing["seconds_per_iteration"] + teacher_s)
    seconds = training + timing["val_images"] * per_image + OVERHEAD_S
    return Estimate(seconds, timing["parameters"] * BYTES_PER_PARAMETER, measured=False)


def _teacher(cell: Cell, cells: Sequence[Cell], timed: Mapping[Any, Any]) -> float:
    """Return the seconds that the teacher's forward pass adds to an iteration."""
    if cell.task is not None or not cell.needs:
        return 0.0
    teacher = next(other for other in cells if other.key == cell.needs[0])
    timing = timed.get(_like(teacher))
    return FORWARD * timing["seconds_per_iteration"] if isinstance(timing, dict) else 0.0


def _time(cell: Cell) -> dict[str, Any] | str:
    """Time a few iterations; return the reason if that fails."""
    work_dir = cell.root / ".estimates" / cell.key
    tool = "tools/train.py" if cell.task else "tools/train_cls.py"
    command = [tool, str(cell.config), "--dry-run", "--work-dir", str(work_dir)]
    command += ["--backbone", SCRATCH] if cell.task else []
    options = list(cell.task.cfg_options if cell.task else cell.rung.cfg_options)
    if cell.task is None and cell.needs:
        options.append("model.distillation=None")  # the teacher is not there yet
    command += ["--cfg-options", *options] if options else []
    import_once()
    path, log = work_dir / ".dry_run" / ESTIMATE, work_dir / LOG
    path.unlink(missing_ok=True)  # of an earlier call
    run_quietly(command, log)
    if path.is_file():
        return dict(read_json(path, "call again"))
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    return errors[0] if errors else f"see {log}"
