"""What launchers do not tell their processes alike: the GPU of each, and where they meet."""

import os
import re

import torch

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.process_group import LOCAL_RANKS
from bag_of_transfer.engine.quantities import counted

__all__ = ["meeting_place", "own_gpu"]

# How many processes there are on a machine; SLURM's has a number for each machine, "8(x2),4".
LOCAL_SIZES = {
    "pytorch": "LOCAL_WORLD_SIZE",
    "slurm": "SLURM_STEP_TASKS_PER_NODE",
    "mpi": "OMPI_COMM_WORLD_LOCAL_SIZE",
}
# Below those that systems give to whoever asks for any (from 32768 on Linux).
PORTS = range(15000, 30000)
STRIDE = 101  # steps of a job get ports of their own as well
TASKS = re.compile(r"(\d+)(?:\(x(\d+)\))?")


def own_gpu(launcher: str) -> int:
    """Return the number of this process's GPU among those that it sees.

    SLURM and MPI may show each process its own GPU only.

    Args:
        launcher: ``pytorch``, ``slurm`` or ``mpi``.

    Raises:
        UserError: If this machine has fewer GPUs than processes; in each of them.
    """
    place, count = int(os.environ.get(LOCAL_RANKS[launcher], 0)), torch.cuda.device_count()
    processes = max(place + 1, _processes_here(launcher))
    if processes > count and (launcher == "pytorch" or count > 1):
        what = f"{processes} processes on this machine, and {counted(count, 'GPU')} that they see"
        mend = f"start {count} of them, as torchrun --nproc_per_node={count} does"
        raise UserError(what, f"--launcher {launcher}", mend)
    return place if place < count else 0


def _processes_here(launcher: str) -> int:
    told = TASKS.findall(os.environ.get(LOCAL_SIZES[launcher], ""))
    counts = [int(count) for count, times in told for _ in range(int(times or 1))]
    machine = int(os.environ.get("SLURM_NODEID", 0)) if len(counts) > 1 else 0
    return counts[machine] if machine < len(counts) else 1


def meeting_place(launcher: str) -> dict[str, str]:
    """Return what torch looks for in the environment, as far as it is not there and follows.

    ``MASTER_ADDR`` is not told by mpirun.  Of ``MASTER_PORT``, jobs of SLURM that share a machine
    need one each; else theirs would be torch's default.

    Args:
        launcher: ``pytorch``, ``slurm`` or ``mpi``.

    Raises:
        UserError: If mpirun has started processes on several machines.
    """
    found = {}
    if launcher == "mpi" and "MASTER_ADDR" not in os.environ:
        sizes = [os.environ.get(f"OMPI_COMM_WORLD_{part}SIZE") for part in ("", "LOCAL_")]
        if sizes[0] != sizes[1]:
            mend = "mpirun -x MASTER_ADDR=NAME, that of the machine with rank 0"
            raise UserError("MASTER_ADDR is not set", "--launcher mpi", mend)
        found["MASTER_ADDR"] = "127.0.0.1"
    if launcher == "slurm" and "MASTER_PORT" not in os.environ:
        job, step = (int(os.environ.get(f"SLURM_{part}_ID", 0)) for part in ("JOB", "STEP"))
        found["MASTER_PORT"] = str(PORTS[(STRIDE * job + step) % len(PORTS)])
    return found
