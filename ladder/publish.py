"""A ladder's figures without weights and pictures: small enough to lie in a repository."""

import shutil
from pathlib import Path

from engine.errors import RefusedError
from ladder.results import Cell, read_results

__all__ = ["publish"]

# Of every cell, and of the first finished one of a rung and a task: other seeds repeat them.
EVERY = ("cell.json", "metrics.json", "curve.jsonl")
FIRST = ("resolved_config.py", "tricks.json", "backbone.json")


def publish(folder: Path, out: Path) -> int:
    """Copy what tables and plots are made from; pictures and per-image files stay behind.

    With a single seed the copy's report lacks the intervals over images, which need the latter.

    Args:
        folder: The ladder's.
        out: An empty folder, or none yet.

    Returns:
        Bytes in ``out``.

    Raises:
        UserError: As :func:`ladder.results.read_results`.
        RefusedError: If ``out`` holds something.
    """
    ladder = read_results(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RefusedError("there is something already", out, "remove it, or name another folder")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "ladder.json", out / "ladder.json")
    seen: set[tuple[str, str]] = set()
    for cell in ladder.cells:
        is_first = cell.status == "done" and (cell.rung, cell.task) not in seen
        _copy(cell, out / cell.folder.relative_to(folder), EVERY + FIRST * is_first)
        if is_first:
            seen.add((cell.rung, cell.task))
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def _copy(cell: Cell, target: Path, names: tuple[str, ...]) -> None:
    for name in names if "status" in cell.record else ():
        if (cell.folder / name).is_file():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(cell.folder / name, target / name)
