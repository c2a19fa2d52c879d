"""Keep the memory that a step frees for the next one, instead of giving it back to the system.

On a CPU a step allocates its maps and gradients anew.  The C library of most Linux systems gives
large blocks back at once, and the system hands them out again page by page, each filled with
zeros: 4 to 10 % of a step, and more where images differ in size (docs/performance.md).
"""

import ctypes
import os

__all__ = ["keep_freed_memory"]

# Parameters of glibc's mallopt(3), with the variables by which a user sets them.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
LIMITS = {
    # The end of the heap is given back when so much of it is free.
    TRIM_THRESHOLD: ("MALLOC_TRIM_THRESHOLD_", 2**30),
    # Larger blocks are given back.  With a limit of 1 GB, gaps that fit no later block took a
    # quarter more memory where sizes differ; with this one 2 %.
    MMAP_THRESHOLD: ("MALLOC_MMAP_THRESHOLD_", 64 * 2**20),
}


def keep_freed_memory() -> bool:
    """Let this process, and those that it forks, keep freed blocks of up to 64 MB.

    Returns:
        Whether the C library does so; others than glibc are left as they are, and so is what the
        environment states.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None or any(name in os.environ for name, _ in LIMITS.values()):
        return False
    return all([mallopt(which, limit) == 1 for which, (_, limit) in LIMITS.items()])
