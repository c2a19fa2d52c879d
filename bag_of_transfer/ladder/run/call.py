"""What one call of ``tools/ladder.py`` asks for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["LadderCall"]


@dataclass(frozen=True)
class LadderCall:
    """One call of ``tools/ladder.py``.

    Args:
        config: The ladder config.
        root: The ladder's folder.
        seeds: Seeds instead of the config's; empty: those of the config.
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
        changed: What to do with finished cells whose config, data, backbone or code changed.
    """

    config: Path
    root: Path
    seeds: tuple[int, ...] = ()
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
    changed: Literal["refuse", "rerun", "keep"] = "refuse"
