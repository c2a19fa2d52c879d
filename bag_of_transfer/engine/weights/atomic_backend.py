"""mmengine's way to write checkpoints, with files that are whole and have a manifest."""

from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend

from bag_of_transfer.engine.manifest import write_checkpoint

__all__ = ["BACKEND", "AtomicLocalBackend"]

BACKEND = "atomic_local"  # its name in mmengine's backend_args


class AtomicLocalBackend(LocalBackend):
    """Local checkpoints that are whole or not there; for mmengine's ``backend_args``.

    Args:
        facts: What the manifest of the next checkpoint says besides its bytes; forgotten then.
    """

    def __init__(self, facts: dict[str, Any] | None = None) -> None:
        self._facts = {} if facts is None else facts

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a checkpoint and its manifest; a crash or a full disk leaves the old file."""
        write_checkpoint(filepath, obj, self._facts)
        self._facts.clear()


# By name, for checkpoints only: a picture need not wait for the disk.
register_backend(BACKEND, AtomicLocalBackend, force=True)
