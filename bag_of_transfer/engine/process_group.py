"""The processes of a run, for modules that must not import torch.

torch is looked up among the imported modules: where it is not imported, there is one process.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

__all__ = [
    "LAUNCHERS",
    "LOCAL_RANKS",
    "is_first_here",
    "is_first_process",
    "is_main_process",
    "leave_group",
    "process_group",
]

# The rank, as each launcher tells it to the processes that it starts.
LAUNCHERS = {"pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}
# The number among the processes of a machine, of which each has one of number 0.
LOCAL_RANKS = {
    "pytorch": "LOCAL_RANK",
    "slurm": "SLURM_LOCALID",
    "mpi": "OMPI_COMM_WORLD_LOCAL_RANK",
}


def process_group() -> Any:
    """Return ``torch.distributed`` in a run of several processes, otherwise None."""
    dist = sys.modules.get("torch.distributed")
    if dist is None or not dist.is_available() or not dist.is_initialized():
        return None
    return dist if dist.get_world_size() > 1 else None


def leave_group() -> None:
    """Leave the process group at the end of an orderly run, where NCCL would warn if nobody does.

    After a failure others may be in the middle of an operation, and leaving could wait for them.
    """
    dist = sys.modules.get("torch.distributed")
    if dist is None or not dist.is_available() or not dist.is_initialized():
        return
    if dist.get_backend() == "nccl":
        with suppress(RuntimeError):  # another process has failed since: the work of this is done
            dist.destroy_process_group()


def is_main_process() -> bool:
    """Return whether this process is rank 0, the one that prints and writes."""
    dist = process_group()
    return dist is None or dist.get_rank() == 0


def is_first_process() -> bool:
    """Return whether this is rank 0, before the processes are connected as well."""
    return _is_0(LAUNCHERS)


def is_first_here() -> bool:
    """Return whether this is the first of the run's processes on its machine.

    torchrun may itself be a task of SLURM's.  Without it, ``LOCAL_RANK`` is the number of the GPU.
    """
    order = LOCAL_RANKS if "TORCHELASTIC_RUN_ID" in os.environ else reversed(LOCAL_RANKS)
    return _is_0({launcher: LOCAL_RANKS[launcher] for launcher in order})


def _is_0(variables: Mapping[str, str]) -> bool:
    numbers = (os.environ[name] for name in variables.values() if name in os.environ)
    return next(numbers, "0") == "0"
