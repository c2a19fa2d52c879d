"""Which config is which row of the paper's tables (He et al., arXiv:1812.01187).

A config says so in two variables that training doesn't read::

    rows = [dict(table="T6", row="ResNet-50-D, + cosine decay", published=dict(top1=77.73))]
    compare_to = "resnet50-d_efficient_8xb128_in1k"

``compare_to`` names the leaf of configs/classification/ that the config is compared with, or
None; a row may have its own.  Where rows share a config and differ in their backbone (tables 8
and 9), ``backbone`` names the leaf that pretrains it, and ``compare_to`` the leaf that pretrains
the other row's.  ``measured`` holds figures in the form of ``published`` once somebody has
trained the row.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.config.config_file import leaf_keys, read_config
from bag_of_transfer.engine.errors import UserError

__all__ = ["TABLES", "paper_rows"]

TABLES = tuple(f"T{number}" for number in range(1, 10))
_NEEDED = {"table", "row", "published"}
_TAKEN = _NEEDED | {"compare_to", "backbone", "measured"}


def paper_rows(configs: Path) -> list[dict[str, Any]]:
    """Return the rows of all leaves below ``configs``, by table, then by config.

    Args:
        configs: The folder ``configs/``; files in ``_base_`` are not leaves.

    Returns:
        Dicts with ``config`` (from the parent of ``configs`` on), ``table`` (``"T1"`` to
        ``"T9"``), ``row``, ``published`` (accuracies in percent, ``gflops`` in 10^9
        multiply-adds, ``minutes_per_epoch``), ``compare_to`` (a config, or None), ``measured``
        (None where nobody has trained it), and in tables 8 and 9 ``backbone`` (a config).

    Raises:
        UserError: If a row lacks a key, has an unknown one, or names a leaf that isn't there.
    """
    leaves = sorted(path for path in configs.glob("*/*.py") if path.parent.name != "_base_")
    rows = [row for path in leaves for row in _rows_of(path, configs)]
    return sorted(rows, key=lambda row: row["table"])  # stable: by config within a table


def _rows_of(path: Path, configs: Path) -> Iterator[dict[str, Any]]:
    # Only rows in the file itself: a config that inherits from ours is not the paper's any more.
    if "rows" not in leaf_keys(path):
        return
    cfg = read_config(path, import_named=False)
    for row in cfg.rows:
        _check(row, path)
        entry = {
            "config": path.relative_to(configs.parent).as_posix(),
            "table": row["table"],
            "row": row["row"],
            "published": dict(row["published"]),
            "compare_to": _leaf(row.get("compare_to", cfg.get("compare_to")), configs, path),
            "measured": dict(row["measured"]) if row.get("measured") else None,
        }
        if "backbone" in row:
            entry["backbone"] = _leaf(row["backbone"], configs, path)
        yield entry


def _check(row: Mapping[str, Any], path: Path) -> None:
    missing, unknown = _NEEDED - row.keys(), row.keys() - _TAKEN
    if missing or unknown:
        what = f"lacks {sorted(missing)}" if missing else f"has unknown keys {sorted(unknown)}"
        raise UserError(
            f"a row {what}", f"{path}: rows", "see bag_of_transfer/engine/config/paper_rows.py"
        )
    if row["table"] not in TABLES:
        mend = f"use one of {', '.join(TABLES)}"
        raise UserError(f"the paper has no table {row['table']}", f"{path}: rows", mend)


def _leaf(stem: str | None, configs: Path, path: Path) -> str | None:
    if stem is None:
        return None
    leaf = configs / "classification" / f"{stem}.py"
    if not leaf.is_file():
        what = f"a row names {stem}, which does not exist"
        raise UserError(what, f"{path}: rows", f"write {leaf}")
    return leaf.relative_to(configs.parent).as_posix()
