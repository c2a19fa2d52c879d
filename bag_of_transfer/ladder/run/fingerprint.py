"""What a cell's result depends on, hashed: config, data, backbone, code.

Not the commit, docs or tests: a result stays good when only they change.
"""

import ast
import copy
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.config_file import read_config
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.overrides import apply_overrides
from bag_of_transfer.engine.own_metrics import judge_in_percent
from bag_of_transfer.ladder.folder import CARD, Selection
from bag_of_transfer.ladder.plan.cells import Cell, commands
from bag_of_transfer.ladder.plan.spec import selection_of

__all__ = [
    "code_digest",
    "config_digest",
    "data_digest",
    "fingerprint",
    "forget_code",
    "imported_files",
]

ROOT = Path(__file__).resolve().parents[3]
# Of these, the content counts; of images and masks, name and size: reading ImageNet takes hours.
ANNOTATIONS = {".json", ".xml", ".txt", ".csv"}
ROOTS = ("data_root", "root")  # mm*'s word, and ImageFolder's
BESIDE = ("ann_file", "data_prefix")  # mm*'s: below the root, unless there is none
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def fingerprint(cell: Cell, selection: Selection) -> dict[str, str | None]:
    """Hash what a cell depends on.

    Args:
        cell: Its backbone is read where it lies; until it lies there it counts as None.
        selection: The ladder's.

    Returns:
        ``config`` (resolved, with the seed), ``data`` (the files that the config
        reads), ``backbone`` (or teacher) and ``code`` (package files that the commands import),
        each as SHA-256 in hexadecimal or None.
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
    cfg = read_config(cell.config)
    if cell.cfg_options:
        apply_overrides(cfg, cell.cfg_options)
    return cfg


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
    }
    return _digest(json.dumps(content, sort_keys=True, default=str).encode())


def _resolved_anywhere(cell: Cell) -> Any:
    """Return what is trained, copied or converted, wherever data, ladder and files lie."""
    if cell.config is None:
        return cell.rung.source if cell.rung.kind == "model" else cell.rung.kind
    # A student's config names its teacher's checkpoint, which lies in the ladder's folder.
    with _data_root("DATA_ROOT"):
        cfg = resolved(replace(cell, root=Path("/")))
    return cfg.to_dict() if cfg else None


@contextmanager
def _data_root(folder: str) -> Iterator[None]:
    """Let configs that are read inside find their data below ``folder``.

    mmengine takes ``{{$DATA_ROOT:data}}`` from the environment and nowhere else.
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
    found: dict[Path, None] = {}
    for loader in LOADERS:
        for place in _places((cfg.get(loader) or {}).get("dataset")):
            found[place] = None
    return list(found)


def _places(node: Any) -> Iterator[Path]:
    if isinstance(node, dict):
        roots = [Path(node[key]) for key in ROOTS if node.get(key)]
        yield from roots
        for stated in (text for key in BESIDE for text in _texts(node.get(key))):
            place = Path(*roots[:1], stated)
            if not any(place.is_relative_to(root) for root in roots):
                yield place
        for child in node.values():
            yield from _places(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from _places(child)


def _texts(stated: Any) -> list[str]:
    """Return the paths of one key, which holds a path, a dict or a list of them; "" is none."""
    values = stated.values() if isinstance(stated, dict) else stated
    several = [values] if isinstance(values, str) else list(values or ())
    return [text for text in several if isinstance(text, str) and text]


@cache
def data_digest(place: Path) -> str:
    """Hash names and sizes of all files below a folder, and the content of annotations.

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
    """Yield the files below a folder, also behind links, except links to a folder above."""
    own = os.path.realpath(folder)
    if own in above:
        return
    _, folders, names = next(os.walk(folder), ("", [], []))
    yield from (folder / name for name in names)
    for name in folders:
        yield from _files(folder / name, (*above, own))


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
    """Hash the files of ours that are imported, directly or not, by some."""
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
    """Follow imports, also those inside functions, through our own packages; sorted."""
    found: set[Path] = set()
    waiting = list(entries)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports_of(path)
    return sorted(found)


@cache
def _imports_of(path: Path) -> list[Path]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = ".".join(path.relative_to(ROOT).parts[:-1]) if node.level else ""
            module = ".".join(part for part in (inside, node.module) if part)
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return list(_module_files(names))


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
