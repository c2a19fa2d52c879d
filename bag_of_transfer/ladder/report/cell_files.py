"""Read the other files of a cell: curve, tricks, card, settings, per-image counts.

The metrics do not need them: a missing or damaged file counts as empty, and ``damaged_files``
lists the damaged ones.
"""

import ast
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bag_of_transfer.engine import run_files
from bag_of_transfer.engine.array_files import read_arrays
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.fields import NUMBER, TEXT, by_name, fields, optional
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.plain_files import read_file
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
# What the report reads; transfer/card_checks.py checks a card before its backbone is used.
CARD_RULE = fields({"metrics": optional(by_name(NUMBER))})
# These keys name the run's folders, files and process, which differ between any two cells.
PLACES = {"work_dir", "experiment_name", "backbone_file", "resume", "load_from", "launcher"}


def read_curve(cell: CellResult) -> list[dict[str, Any]]:
    """Read ``curve.jsonl``: a line per epoch with ``epoch lr loss`` and validation metrics."""
    return _read_or_none(_curve, cell.folder / CURVE) or []


def read_tricks(cell: CellResult) -> dict[str, dict[str, Any]]:
    """Read ``tricks.json``: which tricks were on, with the evidence; {} without the file."""
    return _read_or_none(_tricks, cell.folder / TRICKS) or {}


def read_card(cell: CellResult) -> dict[str, Any]:
    """Read the backbone's card; {} without the file."""
    return _read_or_none(_card, cell.folder / CARD) or {}


def read_per_image(cell: CellResult) -> dict[str, np.ndarray]:
    """Read ``per_image.npz``: the counts per test image; {} without the file."""
    return _read_or_none(_arrays, cell.folder / PER_IMAGE) or {}


def read_settings(folder: Path) -> dict[str, str]:
    """Read a cell's resolved config, flattened to ``{"model.backbone.depth": "50"}``.

    ``resolved_config.py`` is parsed, never run.  Published results have ``resolved_config.json``
    instead, which holds the flattened form.
    """
    settings = _read_or_none(_settings, folder / RESOLVED_CONFIG)
    return settings or _read_or_none(_flat_settings, folder / FLAT_CONFIG) or {}


def damaged_files(cells: Iterable[CellResult]) -> list[tuple[CellResult, str, str]]:
    """List the damaged files of some cells, each as (cell, file, what is wrong)."""
    damaged = []
    for cell in cells:
        for name, read in READERS.items():
            path = cell.folder / name
            try:
                if path.exists():
                    read(path)
            except UNREADABLE as error:
                what = error.what if isinstance(error, UserError) else repr(error)
                damaged.append((cell, name, what))
    return damaged


def changed_settings(
    before: Mapping[str, str], after: Mapping[str, str]
) -> list[tuple[str, str | None, str | None]]:
    """List the differences of two flattened configs as (key, before, after); None for absent.

    Keys that name places (work dir, backbone file) are left out: they always differ.
    """
    keys = [*before, *(key for key in after if key not in before)]
    differing = [key for key in keys if before.get(key) != after.get(key)]
    return [
        (key, before.get(key), after.get(key))
        for key in differing
        if key.partition(".")[0] not in PLACES
    ]


def _read_or_none(read: Callable[[Path], T], path: Path) -> T | None:
    try:
        return read(path)
    except UNREADABLE:
        return None


def _curve(path: Path) -> list[dict[str, Any]]:
    return run_files.read_curve(path.parent, MEND)


def _tricks(path: Path) -> dict[str, dict[str, Any]]:
    return run_files.read_tricks(path.parent, MEND)


def _card(path: Path) -> dict[str, Any]:
    return dict(read_json(path, MEND, CARD_RULE))


def _flat_settings(path: Path) -> dict[str, str]:
    return dict(read_json(path, MEND, by_name(TEXT)))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    return read_arrays(path, MEND)


def _settings(path: Path) -> dict[str, str]:
    return dict(_parsed(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=512)  # a report asks several times, and the parser takes milliseconds
def _parsed(path: Path, mtime_ns: int) -> dict[str, str]:
    settings: dict[str, str] = {}
    for node in ast.parse(read_file(path)).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            _flatten(node.targets[0].id, node.value, settings)
    return settings


def _flatten(key: str, node: ast.expr, settings: dict[str, str]) -> None:
    """Add the entries of dicts and of lists of dicts; any other value as its source text."""
    children = _children(node)
    if children is None:
        settings[key] = ast.unparse(node)
        return
    for name, child in children:
        _flatten(f"{key}.{name}", child, settings)


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


# The last two: a config is nested too deeply for Python's parser.
UNREADABLE = (OSError, ValueError, SyntaxError, KeyError, RecursionError, MemoryError)
READERS: dict[str, Callable[[Path], Any]] = {
    CURVE: _curve,
    TRICKS: _tricks,
    CARD: _card,
    PER_IMAGE: _arrays,
    RESOLVED_CONFIG: _settings,
    FLAT_CONFIG: _flat_settings,
}
