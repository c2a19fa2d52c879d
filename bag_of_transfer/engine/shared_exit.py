"""One message and one exit code for all processes of a run, whichever of them failed.

A process that fails leaves the others in the middle of a collective operation.  These then fail
in turn, with errors that say nothing about the cause.
"""

import signal
import threading
from typing import Any

from bag_of_transfer.engine.process_group import is_first_here, process_group

__all__ = ["failed_elsewhere", "join_failure"]

KEY = "bag_of_transfer/exit_code"


def join_failure(exit_code: int, on_all_ranks: bool) -> tuple[bool, int]:
    """Return whether this process has to report its error, and the exit code to end with.

    The first process to fail reports, and all end with its exit code.  Before the processes are
    connected, only the first one on each machine reports an error that they all have.

    Args:
        exit_code: Exit code of this process's own failure.
        on_all_ranks: Whether all processes on this machine are sure to fail alike (a wrong flag).
    """
    dist = process_group()
    if dist is None:
        return not on_all_ranks or is_first_here(), exit_code
    # torchrun sends SIGTERM to the others at a failure; the exit code is settled here.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    rank, store = str(dist.get_rank()), dist.distributed_c10d._get_default_store()
    try:
        # Sets the value if there is none yet, and returns the value that is in the store then.
        first = store.compare_set(KEY, "", f"{rank} {exit_code}").decode()
    except RuntimeError:  # the process that kept the store is gone
        return True, exit_code
    reporter, _, code = first.partition(" ")
    return reporter == rank, int(code)


def failed_elsewhere(store: Any) -> bool:
    """Return whether a process has said in the store that it ends with an error."""
    return bool(store.check([KEY]))
