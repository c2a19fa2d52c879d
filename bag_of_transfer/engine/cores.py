"""How many cores there are for this process; importable without torch (the demo world is)."""

import os

__all__ = ["available_cores", "share_of_cores"]


def available_cores() -> int:
    """Count the cores that this process may use, at least 1; all of them where none can tell."""
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_of_cores() -> int:
    """Divide the cores among the processes that ``torchrun`` started on this machine."""
    return max(1, available_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
