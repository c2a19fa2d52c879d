"""How many cores this process may use; importable without torch, as the demo world is."""

import os
from pathlib import Path

__all__ = ["available_cores", "share_of_cores"]

# Of a container, in cgroups of version 2 (both numbers in one file) and 1: microseconds of all
# cores together in each period, "max" or -1 without a limit, and the microseconds of a period.
CGROUP_TIMES = (
    (Path("/sys/fs/cgroup/cpu.max"),),
    (
        Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
        Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    ),
)


def available_cores() -> int:
    """Return the number of cores that this process may use, or of all where that is unknown.

    A container that may use the time of 2.5 cores has 2: a third thread would be stopped for a
    part of each period, and the others would wait for it.
    """
    if hasattr(os, "sched_getaffinity"):  # Linux only
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min([cores, *_limits()]))


def _limits() -> list[int]:
    limits = []
    for files in CGROUP_TIMES:
        if all(file.is_file() for file in files):
            quota, period = " ".join(file.read_text() for file in files).split()
            limits += [int(quota) // int(period)] if quota.isdecimal() else []
    return limits


def share_of_cores() -> int:
    """Return the cores per process that ``torchrun`` started on this machine, at least 1."""
    return max(1, available_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
