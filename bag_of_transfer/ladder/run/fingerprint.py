"""Hash everything that a cell's result depends on: config, data, backbone, code.

The commit, docs and tests are left out: a result stays valid when only they change.
"""

import ast
import copy
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope

from bag_of_transfer.engine.config.config_file import resolved_config
from bag_of_transfer.engine.config.override_value import read_options
from bag_of_transfer.engine.data.data_sets import stated_elsewhere
from bag_of_transfer.engine.data.own_metrics import judge_in_percent
from bag_of_transfer.engine.data.splits import LOADERS, ROOTS
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.own_files import ROOT
from bag_of_transfer.ladder.folder import CARD, Selection, selection_of
from bag_of_transfer.ladder.plan.cells import Cell, commands

__all__ = [
    "code_digest",
    "config_digest",
    "data_digest",
    "fingerprint",
    "forget_code",
    "imported_files",
]

# Their content is hashed; of images and masks only name and size, as reading ImageNet takes hours.
ANNOTATIONS = {".json", ".xml", ".txt", ".csv", ".yaml", ".yml"}
BESIDE = ("ann_file", "data_prefix")  # keys of mm*'s data sets; relative to the root if it is set


def fingerprint(cell: Cell, selection: Selection) -> dict[str, str | None]:
    """Hash what a cell depends on.

    Args:
        cell: The cell; its backbone counts as None until its card is in the ladder's folder.
        selection: Which checkpoint the ladder tests.

    Returns:
        ``config`` (resolved, with the seed), ``data`` (the files that the config reads),
        ``backbone`` (or teacher) and ``code`` (package files that the commands import), each as
        SHA-256 in hexadecimal or None.
    """
    cfg = resolved(cell)
    tools = [ROOT / command.tool for command in commands(cell, selection, resume=False)]
    named = named_modules(cfg) if cfg else []
    return {
        "config": config_digest(cell, selection),
        "data": _joined(data_digest(place) for place in data_places(cfg)) if cfg else None,
        "backbone": _backbone_digest(cell),
        "code": code_digest((*tools, *_module_files(named))),
    }


def resolved(cell: Cell) -> Config | None:
    """Return the config that a cell trains, with overrides; None where nothing is trained."""
    if cell.config is None:
        return None
    return resolved_config(cell.config, cell.cfg_options)


def named_modules(cfg: Config) -> list[str]:
    """Return the modules that a config imports, and those of the metrics that judge it."""
    judged = copy.deepcopy(cfg)
    judge_in_percent(judged)
    stated = (judged.get("custom_imports") or {}).get("imports") or []
    return [stated] if isinstance(stated, str) else list(stated)


# ---- config ----


def config_digest(cell: Cell, selection: Selection) -> str:
    """Hash the resolved config, the seed and how the cell starts, without paths of this machine."""
    content = {
        "config": _resolved_anywhere(cell),
        "seed": cell.seed,
        "scratch": not cell.needs and cell.task is not None,
        "selection": selection_of(cell.task, selection),
        **({"tta": True} if cell.task and cell.task.tta else {}),
    }
    return _digest(json.dumps(content, sort_keys=True, default=str).encode())


def _resolved_anywhere(cell: Cell) -> Any:
    """Return what is trained, copied or converted, without the folders of data and ladder."""
    if cell.config is None:
        return cell.rung.source if cell.rung.kind == "model" else cell.rung.kind
    # A student's config names its teacher's checkpoint, which is in the ladder's folder; a ladder's
    # overrides may name DATA_ROOT, of which this machine's is in them by now.
    options = _in_data(read_options(replace(cell, root=Path("/")).cfg_options))
    with _data_root("DATA_ROOT"):
        return resolved_config(cell.config, options).to_dict()


def _in_data(value: Any) -> Any:
    """Return a value with ``data``, the default, in place of this machine's ``DATA_ROOT``."""
    if isinstance(value, dict):
        return {key: _in_data(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_in_data, value))
    here = os.environ.get("DATA_ROOT", "").rstrip("/")
    if not here or not isinstance(value, str):
        return value
    return re.sub(f"^{re.escape(here)}/*(?=/|$)", "data", value)


@contextmanager
def _data_root(folder: str) -> Iterator[None]:
    """Set ``DATA_ROOT`` to ``folder`` for configs that are read inside.

    mmengine takes ``{{$DATA_ROOT:data}}`` from the environment only.
    """
    before = os.environ.get("DATA_ROOT")
    os.environ["DATA_ROOT"] = folder
    try:
        yield
    finally:
        os.environ.pop("DATA_ROOT")
        if before is not None:
            os.environ["DATA_ROOT"] = before


# ---- data ----


def data_places(cfg: Config) -> list[Path]:
    """Return the folders, and the files outside of them, that a config's loaders read."""
    places: dict[Path, None] = {}
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope")):
        for loader in LOADERS:
            places.update(dict.fromkeys(_places((cfg.get(loader) or {}).get("dataset"))))
    return list(places)


def _places(node: Any) -> Iterator[Path]:
    if isinstance(node, dict):
        roots = [Path(node[key]) for key in ROOTS if node.get(key)]
        yield from roots
        named = [text for key in BESIDE for text in _texts(node.get(key))]
        beside = [Path(*roots[:1], text) for text in named]
        if roots:
            with suppress(UserError):  # the run will say it
                beside += stated_elsewhere(node)
        for place in beside:
            if not any(place.is_relative_to(root) for root in roots):
                yield place
        for child in node.values():
            yield from _places(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from _places(child)


def _texts(stated: Any) -> list[str]:
    """Return the paths of one key, which holds a path, a dict or a list; "" does not count."""
    values = stated.values() if isinstance(stated, dict) else stated
    several = [values] if isinstance(values, str) else list(values or ())
    return [text for text in several if isinstance(text, str) and text]


@cache
def data_digest(place: Path) -> str:
    """Hash names and sizes of the files below a folder, and the content of annotations.

    Hidden files do not count: no data set reads them.

    Args:
        place: The folder.  A file counts as a folder of that file alone, a missing one as empty.
    """
    lines = []
    for path in [place] if place.is_file() else sorted(_files(place)):
        if path.is_file():
            size = path.stat().st_size
            content = _digest(path.read_bytes()) if path.suffix in ANNOTATIONS else size
            lines.append(f"{path.relative_to(place).as_posix()} {content}")
    return _digest("\n".join(lines).encode())


def _files(folder: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield the files below a folder, following links except those to a folder above."""
    real = os.path.realpath(folder)
    if real in above:
        return
    _, folders, names = next(os.walk(folder), ("", [], []))
    yield from (folder / name for name in names if not name.startswith("."))
    for name in folders:
        yield from _files(folder / name, (*above, real))


# ---- backbone ----


def _backbone_digest(cell: Cell) -> str | None:
    cards = [cell.root / need / CARD for need in cell.needs]
    if cell.task is None and cell.rung.kind == "file":
        cards = [Path(cell.rung.source).with_suffix(".json")]
    return _joined(_sha256_in(card) for card in cards) if cards else None


def _sha256_in(card: Path) -> str:
    stated = read_json_or_none(card)
    return "" if stated is None else str(stated.get("sha256"))


# ---- code ----


@cache
def code_digest(entries: tuple[Path, ...]) -> str:
    """Hash some files and all files of this toolkit that they import, directly or not."""
    files = imported_files(entries)
    return _digest(
        "\n".join(
            f"{path.relative_to(ROOT)} {_digest(path.read_bytes())}" for path in files
        ).encode()
    )


def forget_code() -> None:
    """Read the code again at the next fingerprint."""
    code_digest.cache_clear()
    _imports_of.cache_clear()


def imported_files(entries: Iterable[Path]) -> list[Path]:
    """Return some files and all files of this toolkit that they import, sorted.

    Imports inside functions count, too.
    """
    files: set[Path] = set()
    waiting = list(entries)
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += _imports_of(path)
    return sorted(files)


@cache
def _imports_of(path: Path) -> list[Path]:
    inside = ".".join(path.relative_to(ROOT).parts[:-1])
    return list(_module_files(_imported_names(path.read_text(encoding="utf-8"), inside)))


@cache  # by text: parsing it again would take a second for the toolkit
def _imported_names(text: str, inside: str) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = (inside if node.level else "", node.module)
            module = ".".join(part for part in parts if part)
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return names


def _module_files(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        parts = name.split(".")
        if not (ROOT / parts[0] / "__init__.py").is_file():
            continue
        for end in range(1, len(parts) + 1):  # importing a.b runs a's __init__, too
            place = ROOT.joinpath(*parts[:end])
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if file.is_file():
                    yield file


def _joined(digests: Iterable[str]) -> str:
    return _digest(" ".join(digests).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
