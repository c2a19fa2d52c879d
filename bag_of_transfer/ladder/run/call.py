"""What one call of ``tools/ladder.py`` asks for; importing this imports nothing slow."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal

from bag_of_transfer.engine.arguments import AUTO, check_count
from bag_of_transfer.engine.errors import UserError

__all__ = ["MOST", "POINTS", "LadderCall", "check_call"]

POINTS, MOST = "--precision", "--max-seeds"


@dataclass(frozen=True)
class LadderCall:
    """One call of ``tools/ladder.py``.

    Args:
        config: The ladder config.
        root: The ladder's folder.
        seeds: Seeds instead of the config's; empty: those of the config.
        data_root: Folder of the data sets, which is $DATA_ROOT already; None: not given.
        dry_run: Print what would be done; run nothing.
        jobs: Number of cells at once; None: as ``share.cells_at_once`` decides, or as many as a Ray
            cluster has room for.
        gpus: GPUs to use, as in ``CUDA_VISIBLE_DEVICES``; empty: all.
        max_minutes: Stop after this time; None: run to the end.
        cell: Key of the one cell to run; None: run all.
        slurm_script: Write a script of SLURM arrays to this file; run nothing.
        ray: Address of the Ray cluster to run on; None: this machine.
        cpus_per_cell: On a Ray cluster; None: as ``on_ray.share_of_a_cell`` decides.
        gpus_per_cell: Likewise.
        precision: Print how many seeds it takes for intervals of so many points to either side.
        max_seeds: Run more seeds, up to this number, until they are as narrow; None: run none.
        amp: The precision of trainings whose config states none; ``auto``: as the ladder began.
        changed: What to do with finished cells whose config, data, backbone or code changed.
    """

    config: Path
    root: Path
    seeds: tuple[int, ...] = ()
    data_root: Path | None = None
    dry_run: bool = False
    jobs: int | None = None
    gpus: tuple[str, ...] = ()
    max_minutes: float | None = None
    cell: str | None = None
    slurm_script: Path | None = None
    ray: str | None = None
    cpus_per_cell: int | None = None
    gpus_per_cell: float | None = None
    precision: float | None = None
    max_seeds: int | None = None
    amp: str = AUTO
    changed: Literal["refuse", "rerun", "keep"] = "refuse"


def check_call(call: LadderCall) -> None:
    """Check the flags of a call, as far as that takes neither the ladder nor the machine.

    Raises:
        UserError: If they are out of range or do not fit together.
    """
    check_count(call.jobs, "--jobs")
    if call.max_minutes is not None and not (isfinite(call.max_minutes) and call.max_minutes >= 0):
        raise UserError(
            f"{call.max_minutes} is not a valid number", "--max-minutes", "give 0 or more"
        )
    if call.max_minutes is not None and call.slurm_script is not None:
        mend = "pass --time to the script instead; the next call continues what was cut off"
        raise UserError("SLURM limits the time of its jobs itself", "--max-minutes", mend)
    if call.ray and call.gpus:
        raise UserError("Ray assigns the GPUs itself", "--gpus", "give --gpus-per-cell N instead")
    _check_precision(call)


def _check_precision(call: LadderCall) -> None:
    if call.precision is None:
        if call.max_seeds is not None:
            mend = f"add {POINTS} POINTS"
            raise UserError("nothing says when there are seeds enough", MOST, mend)
        return
    if not isfinite(call.precision) or call.precision <= 0:
        mend = "give percent points above 0"
        raise UserError(f"{call.precision:g} is not a valid number", POINTS, mend)
    if call.cell or call.slurm_script:
        what = "it needs the results of all cells, in this call"
        raise UserError(what, POINTS, "leave out --cell and --slurm")
