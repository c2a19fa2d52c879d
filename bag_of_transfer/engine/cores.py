"""How many cores this process may use; importable without torch, as the demo world is."""

import os

__all__ = ["available_cores", "share_of_cores"]


def available_cores() -> int:
    """Return the number of cores that this process may use, or of all where that is unknown."""
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_of_cores() -> int:
    """Return the cores per process that ``torchrun`` started on this machine, at least 1."""
    return max(1, available_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
