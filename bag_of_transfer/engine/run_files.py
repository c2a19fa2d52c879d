"""The files that a run leaves in its work dir: their names, and one reader for each.

This module and what it imports need only the standard library: ``ladder/folder.py`` and the
report take the names from here and must stay importable without torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import read_json, read_json_lines

__all__ = [
    "CURVE",
    "LAST_CHECKPOINT",
    "MANIFEST",
    "METRICS",
    "RESOLVED_CONFIG",
    "TRICKS",
    "follow_pointer",
    "manifest_of",
    "newest_checkpoint",
    "read_curve",
    "read_metrics",
    "read_tricks",
]

METRICS, CURVE, TRICKS = "metrics.json", "curve.jsonl", "tricks.json"
LAST_CHECKPOINT, RESOLVED_CONFIG = "last_checkpoint", "resolved_config.py"
MANIFEST = ".json"  # after a checkpoint's whole name: epoch_3.pth.json


def read_metrics(work_dir: Path, mend: str) -> dict[str, Any]:
    """Read ``metrics.json``: the run's metrics in percent, speed and hardware.

    Args:
        work_dir: The run's folder.
        mend: How to mend a damaged file, for the error.

    Raises:
        UserError: If the file is missing or damaged.
    """
    record: dict[str, Any] = read_json(work_dir / METRICS, mend)
    return record


def read_curve(
    work_dir: Path, mend: str, numbers: Sequence[str] = (), cut_short: bool = False
) -> list[dict[str, Any]]:
    """Read ``curve.jsonl``: a line per epoch with ``epoch lr loss`` and validation metrics.

    Args:
        work_dir: The run's folder; without the file the curve is empty.
        mend: How to mend a damaged file, for the error.
        numbers: Keys that each line must have, with a number.
        cut_short: Leave out a last line that is damaged: a crash may have cut it.

    Raises:
        UserError: If the file is damaged, or a line lacks one of ``numbers``.
    """
    path = work_dir / CURVE
    lines = read_json_lines(path, mend, cut_short) if path.is_file() else []
    for line in lines:
        wrong = [key for key in numbers if not isinstance(line.get(key), int | float)]
        if wrong:
            raise UserError(f"in a line, {wrong[0]} is not a number", path, mend)
    return lines


def read_tricks(work_dir: Path, mend: str) -> dict[str, dict[str, Any]]:
    """Read ``tricks.json``: which tricks were on, with the evidence; empty without the file.

    Raises:
        UserError: If the file is damaged or an entry is not an object.
    """
    path = work_dir / TRICKS
    tricks: dict[str, Any] = read_json(path, mend) if path.is_file() else {}
    for name, entry in tricks.items():
        if not isinstance(entry, dict):
            raise UserError(f"the entry {name} is not an object", path, mend)
    return tricks


def follow_pointer(path: str | Path) -> Path:
    """Return the checkpoint that a run's ``last_checkpoint`` names; any other path as it is.

    The pointer holds a path as text.  A file of that name beside the pointer goes first, for a
    work dir may have been moved or copied.
    """
    path = Path(path)
    if path.name != LAST_CHECKPOINT or not path.is_file():
        return path
    named = Path(path.read_text(encoding="utf-8", errors="replace").replace("\0", "").strip())
    beside = path.with_name(named.name) if named.name else path
    return beside if beside.exists() else named


def manifest_of(checkpoint: Path) -> Path:
    """Return the file beside a checkpoint that holds its hash: ``NAME.pth.json``."""
    return checkpoint.with_name(checkpoint.name + MANIFEST)


def newest_checkpoint(work_dir: Path) -> Path | None:
    """Return the checkpoint that a run's ``last_checkpoint`` names; None if it does not exist."""
    newest = follow_pointer(work_dir / LAST_CHECKPOINT)
    return newest if newest.name != LAST_CHECKPOINT and newest.is_file() else None
