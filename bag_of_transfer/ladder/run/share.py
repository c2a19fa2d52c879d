"""How many cells run at once on this machine, and which cores each one gets."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from bag_of_transfer.engine.cores import available_cores

__all__ = ["cells_at_once", "cores_of_place", "visible_gpus"]

SLICE = "MIG-"  # as the names of NVIDIA's slices of a GPU begin
# A cell takes about 1.2 GB (measured for configs/ladder/demo.py); the test and pictures add to it.
BYTES_PER_CELL = 2 * 2**30
# Of a container, in cgroups of version 2 and 1: bytes, or "max".
CGROUP_LIMITS = tuple(
    Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory/memory.limit_in_bytes")
)


def cells_at_once(num_cells: int) -> int:
    """Return how many cells run at once where the call does not say.

    Without a GPU: as many as there are cores, memory and cells.  Two cells of one thread each do
    more than one cell of two threads, which wait for each other.  It follows from the plan and the
    machine only, so that a later call gives each cell the same number of threads, on which the last
    digits of its figures depend.  With a GPU: one, because cells would share its memory.  One, too,
    where a process cannot be bound to cores.

    Args:
        num_cells: Number of cells of the ladder, finished ones included.
    """
    if torch.cuda.device_count() or not hasattr(os, "sched_setaffinity"):
        return 1
    return max(1, min(available_cores(), memory_limit() // BYTES_PER_CELL, num_cells))


def memory_limit() -> int:
    """Return the bytes of memory of this machine, or of this container if it may use less."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    stated = [path.read_text().strip() for path in CGROUP_LIMITS if path.is_file()]
    return min([physical, *(int(limit) for limit in stated if limit.isdecimal())])


def cores_of_place(place: int, jobs: int) -> Sequence[int]:
    """Return the cores of the cell at ``place`` (from 0) of ``jobs``; all if there are too few.

    The cells together get no more cores than a container has time for.
    """
    usable = available_cores()
    if not hasattr(os, "sched_getaffinity"):  # Linux only
        return range(usable)
    cores = sorted(os.sched_getaffinity(0))
    if jobs == 1:
        return cores
    count = (place + 1) * usable // jobs - place * usable // jobs
    return cores[place * len(cores) // jobs :][:count] or cores


def visible_gpus() -> list[str]:
    """Return the GPUs' names as in CUDA_VISIBLE_DEVICES, and only those that it lists.

    Of slices of GPUs (MIG) a process sees one only, however many are listed.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    count = torch.cuda.device_count()
    if not named:
        return [str(index) for index in range(count)]
    names = [name.strip() for name in named.split(",")]
    return names if count and names[0].startswith(SLICE) else names[:count]
