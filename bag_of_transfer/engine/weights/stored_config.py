"""The whole config of a run and what its paths lead to, as plain data.

It is stored in the run's checkpoints as JSON text, ``meta["config_json"]``, and compared when the
run is resumed (``same_run.py``).  mmengine's own ``meta["cfg"]`` is program text.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from mmengine.runner import Runner

from bag_of_transfer.engine.data.data_sets import parts_of
from bag_of_transfer.engine.data.splits import ROOTS
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.engine.run_files import follow_pointer

__all__ = ["FOLDER", "content_of", "identity", "stored_config", "stored_with"]

FOLDER = "a folder"  # what it holds is compared by the images of the data sets
BOX = ("bbox", "bbox_label", "ignore_flag")  # of an instance, as data sets of mmdet have it
SETS = ("training images", "validation images")
SHOWN = 16  # letters of a hash, which a user may see
_known: WeakKeyDictionary[Runner, dict[str, str]] = WeakKeyDictionary()


def stored_with(runner: Runner) -> dict[str, str]:
    """Return what a run's checkpoints hold of its config and images; computed once in a run.

    Returns:
        ``config_json``, see :func:`stored_config`, and ``data_json``, see :func:`content_of`.
    """
    if runner not in _known:
        _known[runner] = {
            "config_json": json.dumps(stored_config(runner.cfg)),
            "data_json": json.dumps(content_of(runner)),
        }
    return _known[runner]


def stored_config(cfg: Any) -> dict[str, Any]:
    """Return a config as plain data, and what its paths lead to.

    Args:
        cfg: Prepared for training.

    Returns:
        ``config``, and ``paths``: by dotted key the SHA-256 of a file, or ``FOLDER``.  Files of
        data sets count as folders: the images and labels that were read tell them apart.
    """
    plain = _plain(cfg.to_dict() if hasattr(cfg, "to_dict") else cfg)
    return {"config": plain, "paths": dict(_paths(plain))}


def content_of(runner: Runner) -> dict[str, list[dict[str, Any]]]:
    """Return the identity of a run's images, of both ``SETS``."""
    val = runner.val_loop.dataloader if runner.val_loop is not None else None
    loaders = dict(zip(SETS, (runner.train_dataloader, val), strict=True))
    return {name: identity(loader.dataset) for name, loader in loaders.items() if loader}


def identity(dataset: Any) -> list[dict[str, Any]]:
    """Return what tells a data set from others, for each part of it that wrappers join.

    Returns:
        The number of images, and a hash of a JSON file of annotations.  Where there is no such
        file: one of the images' names in their order, from the innermost folder that has all of
        them, and one of classes and boxes.  No image is read.
    """
    return [{"number": len(part), **_hashes(part)} for part in parts_of(dataset)]


def _hashes(part: Any) -> dict[str, str]:
    annotations = str(getattr(part, "ann_file", "") or "")
    if annotations.endswith(".json") and os.path.isfile(annotations):
        # Of COCO's 118,000 training images, taking each one out takes 11 s, hashing the file 0.5 s.
        return {"annotations": sha256_of(Path(annotations))[:SHOWN]}
    if not hasattr(part, "get_data_info"):
        return {}
    paths, labels = [], hashlib.sha256()
    for index in range(len(part)):
        info = part.get_data_info(index)
        paths.append(str(info.get("img_path", "")))
        labels.update(f"{info.get('gt_label')} {_boxes(info)}\n".encode())
    # A folder, although letters are compared: dirname leaves out an unfinished name.
    top = len(os.path.dirname(os.path.commonprefix(paths)))  # noqa: RUF071
    names = "\0".join(path[top:] for path in paths).encode("utf-8", "surrogateescape")
    return {
        "names": hashlib.sha256(names).hexdigest()[:SHOWN],
        "classes and boxes": labels.hexdigest()[:SHOWN],
    }


def _boxes(info: Mapping[str, Any]) -> str:
    boxes = [[box.get(key) for key in BOX] for box in info.get("instances") or ()]
    return json.dumps(boxes, default=_as_text) if boxes else ""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(child) for k, child in value.items() if k != "_scope_"}
    if isinstance(value, list | tuple | set):
        return [_plain(child) for child in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return _as_text(value)


def _as_text(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy and torch
        return value.tolist()
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    # The address of an object would differ in each process.
    return str(value) if isinstance(value, Path) else f"a {type(value).__name__}"


def _paths(node: Any, key: str = "", root: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        root = next((node[name] for name in ROOTS if isinstance(node.get(name), str)), root)
    elif isinstance(node, str):
        yield from _leads_to(node, key, root)
    children = node.items() if isinstance(node, Mapping) else _numbered(node)
    for name, child in children:
        if name != "type":
            yield from _paths(child, f"{key}.{name}" if key else str(name), root)


def _numbered(node: Any) -> list[tuple[str, Any]]:
    return [(str(i), child) for i, child in enumerate(node)] if isinstance(node, list) else []


def _leads_to(text: str, key: str, root: str) -> Iterator[tuple[str, str]]:
    if not text or "\0" in text or "\n" in text:
        return
    for path in (Path(root, text), Path(text).expanduser()):
        try:
            if path.is_dir() or (path.is_file() and "_dataloader." in key):
                yield key, FOLDER
                return
            if path.is_file():
                yield key, sha256_of(follow_pointer(path))[:SHOWN]
                return
        except OSError:  # a text that is too long for a name, say
            continue
