"""What lies in a cell's folder beside its figures: curve, tricks, card, settings, pictures.

None of it is needed for the tables: what is missing or damaged gives nothing, and is listed.
"""

import ast
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bag_of_transfer.engine import run_files
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.ladder.folder import (
    CARD,
    CURVE,
    FLAT_CONFIG,
    PER_IMAGE,
    RESOLVED_CONFIG,
    TRICKS,
)
from bag_of_transfer.ladder.report.results import CellResult

__all__ = [
    "changed_settings",
    "damaged_files",
    "read_card",
    "read_curve",
    "read_per_image",
    "read_settings",
    "read_tricks",
]

T = TypeVar("T")
MEND = "run the cell again"
# Where a run wrote to, its process and what it started from differ between any two cells.
PLACES = {"work_dir", "experiment_name", "backbone_file", "resume", "load_from", "launcher"}


def read_curve(cell: CellResult) -> list[dict[str, Any]]:
    """Read ``curve.jsonl``: a line per epoch with ``epoch lr loss`` and validation metrics."""
    return _quietly(_curve, cell.folder / CURVE) or []


def read_tricks(cell: CellResult) -> dict[str, dict[str, Any]]:
    """Read which tricks were on, with the evidence; empty where there is no ``tricks.json``."""
    return _quietly(_entries, cell.folder / TRICKS) or {}


def read_card(cell: CellResult) -> dict[str, Any]:
    """Read the backbone's card; empty where there is none."""
    return _quietly(_card, cell.folder / CARD) or {}


def read_per_image(cell: CellResult) -> dict[str, np.ndarray]:
    """Read what was counted per test image; empty where there is no ``per_image.npz``."""
    return _quietly(_arrays, cell.folder / PER_IMAGE) or {}


def read_settings(folder: Path) -> dict[str, str]:
    """Flatten a cell's ``resolved_config.py`` to ``{"model.backbone.depth": "50"}``, not run.

    Where results were published, ``resolved_config.json`` holds just that.
    """
    stated = _quietly(_settings, folder / RESOLVED_CONFIG)
    return stated or _quietly(_texts, folder / FLAT_CONFIG) or {}


def damaged_files(cells: Iterable[CellResult]) -> list[tuple[CellResult, str, str]]:
    """List (cell, file, what is wrong) of the files above that are there and cannot be read."""
    found = []
    for cell in cells:
        for name, read in READERS.items():
            path = cell.folder / name
            try:
                if path.exists():
                    read(path)
            except UNREADABLE as error:
                found.append((cell, name, f"{type(error).__name__}: {error}"))
    return found


def changed_settings(
    before: Mapping[str, str], after: Mapping[str, str]
) -> list[tuple[str, str | None, str | None]]:
    """Pair up two flattened configs: (key, before, after) where they differ, None for absent.

    Keys that name places (work dir, backbone file) are left out: they always differ.
    """
    keys = [*before, *(key for key in after if key not in before)]
    differing = [key for key in keys if before.get(key) != after.get(key)]
    return [
        (key, before.get(key), after.get(key))
        for key in differing
        if key.partition(".")[0] not in PLACES
    ]


def _quietly(read: Callable[[Path], T], path: Path) -> T | None:
    try:
        return read(path)
    except UNREADABLE:
        return None


def _curve(path: Path) -> list[dict[str, Any]]:
    return run_files.read_curve(path.parent, MEND, ("epoch",))


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    return run_files.read_tricks(path.parent, MEND)


def _card(path: Path) -> dict[str, Any]:
    read = read_json(path, MEND)
    if not isinstance(read.get("metrics") or {}, dict):
        raise ValueError("metrics is no object")
    return read


def _texts(path: Path) -> dict[str, str]:
    read = read_json(path, MEND)
    if any(not isinstance(text, str) for text in read.values()):
        raise ValueError("a setting that is not a text")
    return read


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _settings(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            _flatten(node.targets[0].id, node.value, found)
    return found


def _flatten(key: str, node: ast.expr, found: dict[str, str]) -> None:
    """Go into dicts, and into lists of dicts; all else is told by its source text."""
    children = _children(node)
    if children is None:
        found[key] = ast.unparse(node)
        return
    for name, child in children:
        _flatten(f"{key}.{name}", child, found)


def _children(node: ast.expr) -> list[tuple[str, ast.expr]] | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return [(word.arg, word.value) for word in node.keywords if word.arg]
    if isinstance(node, ast.Dict):
        return [
            (str(getattr(k, "value", "**")), v) for k, v in zip(node.keys, node.values, strict=True)
        ]
    if isinstance(node, ast.List | ast.Tuple) and any(_children(item) for item in node.elts):
        return [(str(index), item) for index, item in enumerate(node.elts)]
    return None


# RecursionError: a config nested deeper than Python's parser goes.
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, KeyError, RecursionError)
READERS: dict[str, Callable[[Path], Any]] = {
    CURVE: _curve,
    TRICKS: _entries,
    CARD: _card,
    PER_IMAGE: _arrays,
    RESOLVED_CONFIG: _settings,
    FLAT_CONFIG: _texts,
}
