"""A ladder's figures without weights and pictures: small enough to lie in a repository."""

import shutil
from pathlib import Path

from engine.errors import RefusedError
from ladder.results import read_results
from ladder.state import is_done

__all__ = ["publish"]

# Of every cell, and of the first finished one of a rung and a task: other seeds repeat them.
EVERY = ("cell.json", "metrics.json", "curve.jsonl", "tricks.json")
FIRST = ("resolved_config.py", "backbone.json")


def publish(folder: Path, out: Path) -> int:
    """Copy what tables and plots are made from; pictures and per-image files stay behind.

    With a single seed the copy's report lacks the intervals over images, which need the latter;
    of the backbones' cards it has the first seed's alone.

    Args:
        folder: The ladder's.
        out: An empty folder, or none yet.

    Returns:
        Bytes in ``out``.

    Raises:
        UserError: As :func:`ladder.results.read_results`.
        RefusedError: If ``out`` holds something.
    """
    read_results(folder)  # is it a ladder's?
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RefusedError("there is something already", out, "remove it, or name another folder")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "ladder.json", out / "ladder.json")
    seen: set[tuple[str, ...]] = set()
    for record in sorted(folder.glob("seed*/*/*/cell.json")):
        cell = record.parent
        is_first = is_done(cell) and cell.parts[-2:] not in seen
        _copy(cell, out / cell.relative_to(folder), EVERY + FIRST * is_first)
        if is_first:
            seen.add(cell.parts[-2:])
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def _copy(cell: Path, target: Path, names: tuple[str, ...]) -> None:
    target.mkdir(parents=True)
    for name in names:
        if (cell / name).is_file():
            shutil.copyfile(cell / name, target / name)
