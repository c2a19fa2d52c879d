"""One message and one exit code for all processes of a run, whichever of them failed.

A process that fails leaves the others in the middle of a collective operation, and these fail
in turn, with errors that say nothing of the cause.
"""

import os
import signal

from bag_of_transfer.engine.process_group import process_group

__all__ = ["join_failure"]

KEY = "bag_of_transfer/exit_code"
# torchrun's, then SLURM's and Open MPI's; the launchers start one process of number 0 per machine.
LOCAL_RANKS = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK")


def join_failure(exit_code: int, everyones: bool) -> tuple[bool, int]:
    """Tell whether this process has to say its error, and the exit code to end with.

    The first process to fail speaks, and all end with its exit code.  Before the processes have
    found each other, only the first one on each machine tells what is ``everyones``.

    Args:
        exit_code: That of this process's own failure.
        everyones: Whether all processes on this machine are sure to fail alike (a wrong flag).
    """
    dist = process_group()
    if dist is None:
        local_rank = next((os.environ[name] for name in LOCAL_RANKS if name in os.environ), "0")
        return not everyones or local_rank == "0", exit_code
    # torchrun sends it to the others at a failure; the exit code is settled here.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    rank, store = str(dist.get_rank()), dist.distributed_c10d._get_default_store()
    try:
        # Sets the value if there is none yet, and returns the one that is there then.
        first = store.compare_set(KEY, "", f"{rank} {exit_code}").decode()
    except RuntimeError:  # the process that kept the store is gone
        return True, exit_code
    speaker, _, code = first.partition(" ")
    return speaker == rank, int(code)
