"""The knobs ``data_root`` and ``classes``: where the images lie, and what is told apart in them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.config.config_vocabulary import find_callables, parameter_names
from bag_of_transfer.engine.config.knob_request import Request
from bag_of_transfer.engine.config_nodes import dicts_with, leaves_of, nodes
from bag_of_transfer.engine.data.splits import EVALUATORS, LOADERS
from bag_of_transfer.engine.fields import Rule
from bag_of_transfer.engine.tasks import default_scope

__all__ = ["set_classes", "set_data_root"]

ROOT, SPLIT = "data_root", "root"  # ImageFolder's root is a split, in a folder beside the others

PATH = Rule(lambda v: isinstance(v, str) and bool(v.strip()), "the path of a folder")


def _are_names(value: Any) -> bool:
    listed = isinstance(value, list | tuple) and len(value) > 0
    return (
        listed
        and all(isinstance(name, str) and name.strip() == name != "" for name in value)
        and len(set(value)) == len(value)
    )


NAMES = Rule(_are_names, "a list of different names, classes=('cat', 'dog')")


def set_data_root(cfg: Config, request: Request) -> None:
    """Move every path of the data, with those of its metrics, into another folder.

    Raises:
        UserError: If it is no path, or the data sets do not lie in one folder.
    """
    new = request.checked(PATH)
    data = {name: cfg[name] for name in (*LOADERS, *EVALUATORS) if cfg.get(name)}
    stated = list(_roots(data))
    if not stated:
        raise request.refuse("no data set has a folder of its own", "set it in each data set")
    roots = [os.path.normpath(root) for key, root in stated if not request.leaves(key)]
    if not roots:  # the user states all of them
        for key, root in stated:
            request.may_set(key, os.path.normpath(root), os.path.normpath(new))
        return
    old = _common(roots)
    if old is None:
        mend = "set train_dataloader.dataset.data_root and those of val and test"
        raise request.refuse(f"the data lie in several folders ({', '.join(roots[:3])})", mend)
    for dotted, node in list(nodes(data)):
        children = node.items() if isinstance(node, Mapping) else ()
        for key, value in list(children):
            if isinstance(value, str) and PurePath(os.path.normpath(value)).is_relative_to(old):
                if not request.leaves(f"{dotted}.{key}"):
                    node[key] = _moved(value, old, new)


def _roots(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the keys that name folders of data, with the folders that hold all splits."""
    for key in (ROOT, SPLIT):
        for dotted, node in dicts_with(key, data):
            stated = node[key]
            if isinstance(stated, str) and stated:
                root = stated if key == ROOT else os.path.dirname(os.path.normpath(stated))
                yield f"{dotted}.{key}", root


def _common(roots: list[str]) -> str | None:
    """Return the folder that holds all; None if only the disk or the working directory does."""
    try:
        common = os.path.commonpath(roots)
    except ValueError:  # an absolute and a relative path
        return None
    return common if common not in ("", os.sep) or set(roots) == {common} else None


def _moved(value: str, old: str, new: str) -> str:
    rest = os.path.relpath(os.path.normpath(value), old)
    moved = new if rest == os.curdir else os.path.join(new, rest)
    return os.path.join(moved, "") if value.endswith("/") else moved


def set_classes(cfg: Config, request: Request) -> None:
    """Name the classes of all data sets, and count them in all heads.

    Raises:
        UserError: If they are no list of different names, or a key contradicts them.
    """
    names = tuple(request.checked(NAMES))
    if any(dicts_with("num_things_classes", cfg.get("model"))):
        mend = "set the metainfo of the data sets, num_things_classes and num_stuff_classes"
        raise request.refuse("the network tells things and stuff apart", mend)
    for loader in LOADERS:
        dataset = (cfg.get(loader) or {}).get("dataset")
        for dotted, part in leaves_of(dataset, f"{loader}.dataset"):
            _name_classes(part, dotted, names, default_scope(cfg), request)
    for dotted, node in dicts_with("num_classes", cfg.get("model"), "model"):
        count = node["num_classes"]
        if count is not None and request.may_set(f"{dotted}.num_classes", count, len(names)):
            node["num_classes"] = len(names)


def _name_classes(
    dataset: Any, dotted: str, names: tuple[str, ...], scope: str, request: Request
) -> None:
    """Name the classes of a data set, by its own argument or as mm*'s data sets take them."""
    takes = {
        name
        for target in find_callables(dataset.get("type"), scope)
        for name in parameter_names(target)
    }
    if "classes" in takes:
        stated = dataset.get("classes")
        if request.may_set(f"{dotted}.classes", _as_tuple(stated), names):
            dataset["classes"] = names
        return
    facts = dict(dataset.get("metainfo") or {})
    if request.may_set(f"{dotted}.metainfo", _as_tuple(facts.get("classes")), names):
        if len(facts.get("palette") or names) != len(names):
            del facts["palette"]
        dataset["metainfo"] = {**facts, "classes": names}


def _as_tuple(stated: Any) -> Any:
    return tuple(stated) if isinstance(stated, list | tuple) else stated
