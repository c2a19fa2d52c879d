"""Run a cell on a node of a Ray cluster.

Ray sends these functions to the node by value, so that a node without the repository can say so.
Therefore nothing of this toolkit is imported here, only what every node has.
"""

import ctypes
import fcntl
import functools
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ERROR", "PR_SET_PDEATHSIG", "cell_task", "look", "run_there"]

PR_SET_PDEATHSIG = 1  # linux/prctl.h
ERROR = "error: "


def look(marker: str, token: str, needed: Sequence[str]) -> str:
    """Return a shared file or folder that this node does not see; "" if it sees all.

    Args:
        marker: A file that the first node wrote into the ladder's folder.
        token: The content of that file.
        needed: Other files and folders that must exist.
    """
    try:
        if Path(marker).read_text(encoding="utf-8") != token:
            return marker
    except OSError:
        return marker
    return next((path for path in needed if not Path(path).exists()), "")


def cell_task(command: Sequence[str], **more: Any) -> dict[str, Any]:
    """Run Python with these arguments as :func:`run_there` does, in a Ray task."""
    import ray

    python = (sys.executable, "-u", *command)
    return run_there(python, node=ray.get_runtime_context().get_node_id(), **more)


def run_there(
    command: Sequence[str],
    *,
    node: str,
    folder: str,
    data_root: str | None,
    log: str,
    num_cores: int,
    stop_s: float,
) -> dict[str, Any]:
    """Run a command in a process of its own, and end it when Ray cancels the task.

    Args:
        command: The command and its arguments.
        node: Name of this node in the log.
        folder: The folder that it runs in.
        data_root: The environment's ``DATA_ROOT``; None: the node's own.
        log: Its output is added to this file.
        num_cores: Number of cores that it gets; other cells on this machine use others.
        stop_s: Seconds that it may take to stop; then it is killed.

    Returns:
        ``code``, its exit code; ``node``, with the machine's name; ``reason``, its last error.
    """
    where = f"{platform.node()}, Ray node {node[:8]}"
    environment = {**os.environ, **({"DATA_ROOT": data_root} if data_root else {})}
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with _claimed(num_cores) as cores, open(log, "ab") as out:
        start = out.tell()
        out.write(f"on {where}, cores {cores}\n".encode())
        out.flush()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=functools.partial(_prepare, ctypes.CDLL(None).prctl, cores),
        )
        try:
            # In short steps: Ray's cancelling interrupts Python, not a call that waits.
            while process.poll() is None:
                try:
                    process.wait(0.2)
                except subprocess.TimeoutExpired:
                    pass
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(stop_s)
                finally:
                    process.kill()
    with open(log, encoding="utf-8", errors="replace") as lines:
        lines.seek(start)
        errors = [line.removeprefix(ERROR).strip() for line in lines if line.startswith(ERROR)]
    return dict(code=process.returncode, node=where, reason=errors[-1] if errors else "")


def _prepare(prctl: Any, cores: Sequence[int]) -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # else the command outlives a killed worker
    os.sched_setaffinity(0, cores)


@contextmanager
def _claimed(num_cores: int) -> Any:
    """Yield cores that no other cell has claimed; all cores where none are left."""
    cores = sorted(os.sched_getaffinity(0))
    for first in range(0, len(cores) - num_cores + 1, num_cores):
        name = f"ladder-{os.getuid()}-{num_cores}-cores-from-{cores[first]}.lock"
        with open(Path(tempfile.gettempdir(), name), "w") as claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield cores[first : first + num_cores]
            return
    yield cores
