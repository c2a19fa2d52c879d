"""Estimate the time and disk that the missing cells will take, before any is run.

Records of finished cells give both.  For other configs the ``--dry-run`` of the training tool
times a few iterations, once per config.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from bag_of_transfer.engine.fields import COUNT, COUNT_OR_0, NOT_NEGATIVE, fields
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.quantities import duration, size
from bag_of_transfer.engine.run.dry_run import ESTIMATE
from bag_of_transfer.ladder.folder import LOG, SCRATCH
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.run.amp import amp_of
from bag_of_transfer.ladder.run.schedule import cells_to_run
from bag_of_transfer.ladder.run.status import DONE, Status
from bag_of_transfer.ladder.run.tool_process import ERROR, import_once, run_quietly
from bag_of_transfer.ladder.seal import read_cell
from bag_of_transfer.ladder.search import options_of

__all__ = ["Estimate", "describe_estimates", "estimate_cells"]

# Time to start the tools, export and test, as measured for the demo's cells.
OVERHEAD_S = 12.0
# The share of the forward pass in an iteration: backward takes about twice as long.
FORWARD = 1 / 3
# Weights and momentum in 32 bits, in three checkpoints: the two newest and the best.
BYTES_PER_PARAMETER = 4 * 2 * 3
TIMING = fields(  # of what a dry run writes
    {
        "seconds_per_iteration": NOT_NEGATIVE,
        "batch_size": COUNT,
        **dict.fromkeys(("iterations", "val_images", "parameters"), COUNT_OR_0),
    }
)
OPTIMIZER = "optim_wrapper."  # keys whose values do not change how long a cell takes


@dataclass(frozen=True)
class Estimate:
    """Time and disk of one cell; ``measured`` if a cell of the same config was run."""

    seconds: float
    num_bytes: float
    measured: bool


def estimate_cells(
    cells: Sequence[Cell], before: Mapping[str, Status], amp: str | None = None
) -> dict[str, Estimate | str]:
    """Estimate every cell that has no result and can get one.

    Args:
        cells: The cells of the plan.
        before: How far each cell is.
        amp: The precision of :attr:`Ladder.amp`.

    Returns:
        Estimates by key; the reason as text for a cell that cannot be timed, for instance because
        its data is missing.
    """
    known: dict[Any, list[Estimate]] = {}
    for cell in cells:
        if before[cell.key].word == DONE:
            known.setdefault((_recipe(cell), _tries(cell)), []).append(_from_record(cell))
    estimates: dict[str, Estimate | str] = {}
    timed: dict[Any, dict[str, Any] | str] = {}
    for cell in cells_to_run(cells, before)[0]:
        measured = known.get((_recipe(cell), _tries(cell)))
        alike = known.get((_recipe(cell), not _tries(cell)))  # in their times
        if measured:
            estimates[cell.key] = _typical(measured)
        elif cell.config is None:
            estimates[cell.key] = Estimate(OVERHEAD_S, 0, measured=False)
        else:
            if _recipe(cell) not in timed:
                timed[_recipe(cell)] = _time(cell, amp_of(cell, amp))
            timing = timed[_recipe(cell)]
            if isinstance(timing, str):
                estimates[cell.key] = timing
            else:
                estimate = _from_timing(timing, _teacher(cell, cells, timed))
                if alike:
                    estimate = replace(estimate, seconds=_typical(alike).seconds, measured=True)
                estimates[cell.key] = replace(estimate, num_bytes=0) if _tries(cell) else estimate
    return estimates


def describe_estimates(estimates: Mapping[str, Estimate | str], jobs: int) -> str:
    """Return one line on how long all the cells will take."""
    known = [each for each in estimates.values() if isinstance(each, Estimate)]
    without = len(estimates) - len(known)
    left_out = f"; {without} cells could not be timed" if without else ""
    if not known:
        return f"time and disk unknown{left_out}"
    time = duration(sum(each.seconds for each in known) / jobs)
    disk = size(sum(each.num_bytes for each in known))
    how = "from cells run here" if all(each.measured for each in known) else "estimated"
    return f"about {time} ({how}) and {disk}{left_out}"


def _recipe(cell: Cell) -> tuple[Any, ...]:
    """Return what decides how long a cell takes; the optimizer's values do not."""
    changed = tuple(pair for pair in cell.point if not pair[0].startswith(OPTIMIZER))
    return cell.config, _stated(cell), changed


def _tries(cell: Cell) -> bool:
    """Return whether it is a fine-tuning of a search, which keeps no weights."""
    return cell.tunes and cell.task is not None


def _stated(cell: Cell) -> tuple[str, ...]:
    """Return the overrides that the ladder's config gives."""
    if cell.task is None:
        return cell.rung.cfg_options
    return (*cell.task.cfg_options, *cell.rung.task_options)


def _from_record(cell: Cell) -> Estimate:
    record = read_cell(cell.folder, "run the cell again")
    size = sum(path.stat().st_size for path in cell.folder.rglob("*") if path.is_file())
    seconds = record.get("seconds") or 0.0
    training = (record.get("train") or {}).get("seconds") or 0.0
    # For a cell that was cut off, "seconds" counts its last part, "train" all of the training.
    return Estimate(seconds + (training if training > seconds else 0.0), size, measured=True)


def _typical(estimates: Sequence[Estimate]) -> Estimate:
    # Not the mean: a busy machine may have slowed one of them.
    seconds = median(each.seconds for each in estimates)
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
    timing = timed.get(_recipe(teacher))
    return FORWARD * timing["seconds_per_iteration"] if isinstance(timing, dict) else 0.0


def _time(cell: Cell, amp: str | None) -> dict[str, Any] | str:
    """Time a few iterations; return the reason if that fails."""
    work_dir = cell.root / ".estimates" / cell.key
    tool = "tools/train.py" if cell.task else "tools/train_cls.py"
    command = [tool, str(cell.config), "--dry-run", "--work-dir", str(work_dir)]
    command += ["--backbone", SCRATCH] if cell.task else []
    command += ["--amp", amp] if amp else []
    options = [*_stated(cell), *options_of(cell.point)]
    if cell.task is None and cell.needs:
        options.append("model.distillation=None")  # the teacher is not trained yet
    command += ["--cfg-options", *options] if options else []
    import_once()
    path, log = work_dir / ".dry_run" / ESTIMATE, work_dir / LOG
    path.unlink(missing_ok=True)  # an earlier call may have left it
    run_quietly(command, log)
    if path.is_file():
        return dict(read_json(path, "call again", TIMING))
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    return errors[0] if errors else f"see {log}"
