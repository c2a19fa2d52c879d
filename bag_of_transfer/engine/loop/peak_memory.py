"""The most memory that a run has needed: a GPU's, or the process's where there is none."""

import re
import resource
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.dist import all_reduce

from bag_of_transfer.engine.quantities import size

__all__ = ["MIB", "forget_peak", "in_words", "note_peak", "peak_memory"]

MIB = 2**20  # bytes
STATUS = Path("/proc/self/status")
GPU, RESIDENT = "gpu", "resident"
WORDS = {
    GPU: "allocated by tensors on the GPU",
    RESIDENT: "resident in the process, without loader workers",
}


def forget_peak() -> None:
    """Begin anew on a GPU; a process's peak cannot be forgotten."""
    _noted.bytes = 0
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def note_peak() -> None:
    """Keep the GPU's peak so far; mmengine begins it anew at each line of its log."""
    if torch.cuda.is_available():
        _noted.bytes = max(_noted.bytes, torch.cuda.max_memory_allocated())


def peak_memory() -> dict[str, Any]:
    """Return the peak of that process of the run whose peak is the largest.

    All processes must call this at the same time.

    Returns:
        ``mib``: the peak in MiB.  ``kind``: ``gpu`` for what tensors had allocated there,
        ``resident`` for the memory of a process that computes on a CPU, with the libraries' code
        and without the loaders' workers.
    """
    kind = GPU if torch.cuda.is_available() else RESIDENT
    note_peak()
    used = _noted.bytes if kind == GPU else _peak_resident()
    most = torch.tensor(float(used), dtype=torch.float64)
    all_reduce(most, "max")
    return {"mib": round(float(most) / MIB, 1), "kind": kind}


def in_words(peak: dict[str, Any]) -> str:
    """Return the line that says what :func:`peak_memory` returned."""
    return f"peak memory: {size(peak['mib'] * MIB)} {WORDS[peak['kind']]}"


_noted = SimpleNamespace(bytes=0)


def _peak_resident() -> int:
    """Return bytes.

    After fork and exec, ``ru_maxrss`` is at least what the parent had (Linux), so that a tool
    started by a large process would seem large.  VmHWM is the process's own.
    """
    own = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    if own:
        return int(own[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
