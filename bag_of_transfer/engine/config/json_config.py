"""A config as plain JSON: what a run resolves to, so that it can be trained without running a file.

``--dump-config F.json`` writes it, and every tool that takes a config reads it.  A tuple stands as
``{"tuple": [...]}``, because the libraries tell it from a list, and a dict whose keys are numbers
(a ``label_map``) as ``{"pairs": [[7, 0], ...]}``.  ``stated`` holds the dotted keys
that the user set: the others may be changed to fit a backbone file.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.atomic import write_text
from bag_of_transfer.engine.config.config_vocabulary import registered_names
from bag_of_transfer.engine.config.custom_imports import KEY, import_own_types, import_stated
from bag_of_transfer.engine.config.described import SCOPES, UNREGISTERED
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.fields import SWITCH, TEXT, Rule, fields, list_of, optional
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.numbers import is_whole
from bag_of_transfer.engine.tasks import ROOT_SCOPE

__all__ = ["SUFFIX", "dump_config", "read_json_config", "stated_keys"]

SUFFIX = ".json"
TUPLE, PAIRS, STATED = "tuple", "pairs", "stated"
MODULES = Rule(
    lambda v: isinstance(v, str) or list_of(TEXT).keeps(v),
    "the name of a module, or a list of them",
)
OF_IMPORTS = {"imports": optional(MODULES), "allow_failed_imports": optional(SWITCH)}
IMPORTS = Rule(
    lambda v: isinstance(v, dict) and v.keys() <= OF_IMPORTS.keys(),
    f"an object with {' and '.join(OF_IMPORTS)}",
    fields(OF_IMPORTS).parts,
)
RULE = fields({STATED: list_of(TEXT), KEY: optional(IMPORTS)})
# Of the machine and the call, not of what is trained.
OF_A_CALL = ("launcher", "work_dir", STATED)
PACKAGES = ("backbones", "bag_of_transfer", "mmcv", "mmdet", "mmengine", "mmseg")
# These evaluate their texts.
EVALUATING = ("CameraMotionCompensation", "RFSearchHook")
# mmengine executes a file of these kinds wherever a class reads one by its name.
EXECUTED = re.compile(r"(?i)\.(py|pkl|pickle|ya?ml)$")
DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
MEND = "write it again with --dump-config, from a config that you trust"


def dump_config(cfg: Config, explicit: set[str], path: Path) -> None:
    """Write a config as plain JSON.

    It names the modules of all types of ours: the tool that reads it may have imported none.

    Args:
        cfg: From ``load_config``, with its backbone; ``custom_imports`` is completed.
        explicit: The dotted keys that the user set.
        path: The file.

    Raises:
        UserError: If its name does not end in ``.json``, or the config holds what JSON cannot
            carry or what would run code; the key is named.
    """
    mend = "state it as plain values; modules of your own need the config in Python"
    if path.suffix != SUFFIX:
        raise UserError("the name does not end in .json", path, "name it F.json")
    import_own_types(cfg)
    content = {key: value for key, value in cfg.to_dict().items() if key not in OF_A_CALL}
    _refuse_programs(content, f"{cfg.filename}", mend)
    plain = {key: _plain(value, key, f"{cfg.filename}", mend) for key, value in content.items()}
    write_text(path, json.dumps({**plain, STATED: sorted(explicit)}, indent=1) + "\n")


def read_json_config(path: Path, import_named: bool = True) -> Config:
    """Read a config that :func:`dump_config` wrote, as data.

    Args:
        path: The file.
        import_named: Whether to import the modules that it names in ``custom_imports``, which
            register types, and then to check everything else in it; without, nothing may be built.

    Raises:
        ImportError: If one of the modules cannot be imported.
        UserError: If it is damaged or of another kind, or names what would run code: a module other
            than of this toolkit and the mm libraries, a class that is registered nowhere, a file
            that is executed when it is read.
    """
    content = {key: _restored(value) for key, value in _read(path).items() if key not in OF_A_CALL}
    if import_named:
        if content.get(KEY):
            _refuse(_texts(content[KEY], KEY), set(), path, MEND)
            import_stated(content[KEY])
        _refuse_programs(content, path, MEND)
    try:
        return Config(content, filename=str(path))
    except (KeyError, TypeError, ValueError) as error:  # a name that mmengine reserves
        raise UserError(f"not a config ({without_colons(error)})", path, MEND) from error


def stated_keys(path: Path) -> set[str]:
    """Return the dotted keys that the user had set when the config was written.

    Raises:
        UserError: As :func:`read_json_config`.
    """
    return set(_read(path)[STATED])


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(path, MEND, RULE)
    return content


def _plain(value: Any, key: str, where: object, mend: str) -> Any:
    if isinstance(value, dict):
        if value and all(map(is_whole, value)):
            return {PAIRS: [[name, _plain(value[name], key, where, mend)] for name in value]}
        for name in value:
            if not isinstance(name, str) or name in (TUPLE, PAIRS):
                raise UserError(f"JSON cannot carry the key {name!r} of {key}", where, mend)
        return {name: _plain(inner, f"{key}.{name}", where, mend) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        items = [_plain(item, f"{key}.{number}", where, mend) for number, item in enumerate(value)]
        return {TUPLE: items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    raise UserError(f"JSON cannot carry {key} ({without_colons(repr(value))})", where, mend)


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {TUPLE} and isinstance(value[TUPLE], list):
        return tuple(_restored(item) for item in value[TUPLE])
    if value.keys() == {PAIRS} and _are_pairs(value[PAIRS]):
        return {name: _restored(inner) for name, inner in value[PAIRS]}
    return {name: _restored(inner) for name, inner in value.items()}


def _are_pairs(value: Any) -> bool:
    pairs = value if isinstance(value, list) else [None]
    return all(isinstance(pair, list) and len(pair) == 2 and is_whole(pair[0]) for pair in pairs)


# ---- what would run code ----


def _refuse_programs(content: Mapping[str, Any], where: object, mend: str) -> None:
    """Check that nothing in a config makes the libraries import or execute anything foreign.

    Raises:
        UserError: If something does; its key is named.
    """
    texts = list(_texts(content, ""))
    scopes = {value.partition(".")[0] for _, value in texts} & SCOPES
    names = set().union(*(registered_names(scope) for scope in scopes | {ROOT_SCOPE}))
    _refuse(texts, names, where, mend)


def _refuse(texts: Iterable[tuple[str, str]], names: set[str], where: object, mend: str) -> None:
    for key, value in texts:
        reason = _reason(key, value, names)
        if reason:
            raise UserError(f"{key} is {value[:60]!r}, {reason}", where, mend)


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield every text with its dotted key, and the keys of dicts that mmengine acts upon."""
    if isinstance(value, str):
        yield key, value
    inner = value.items() if isinstance(value, Mapping) else ()
    items = enumerate(value) if isinstance(value, list | tuple) else inner
    for name, part in items:
        if isinstance(name, str) and name.startswith("_") and name != "_scope_":
            yield f"{key}.{name}".lstrip("."), "_"
        yield from _texts(part, f"{key}.{name}".lstrip("."))


def _reason(key: str, value: str, names: set[str]) -> str:
    """Return why a text is refused; empty if it is not."""
    first, _, last = value.partition(".")
    name = key.rpartition(".")[2]
    if value == "_" and name.startswith("_"):
        return "a key that mmengine acts upon"
    if key.partition(".")[0] == KEY:
        return "" if first in PACKAGES else f"not of {', '.join(PACKAGES)}"
    if name in ("_scope_", "default_scope"):
        return "" if value in SCOPES else "not a library in use"
    if name == "type":
        return _reason_of_type(value, names)
    if EXECUTED.search(value):
        return "a file that may be executed when it is read"
    if DOTTED.fullmatch(value) and _is_importable(first):
        return "" if last in names and first in SCOPES else "a name that may be imported"
    return ""


def _reason_of_type(value: str, names: set[str]) -> str:
    scope, _, name = value.rpartition(".")
    unregistered = any(value in known for known in UNREGISTERED.values())
    if (name not in names and not unregistered) or (scope and scope not in SCOPES):
        return "not registered by a library in use"
    return "which evaluates its texts" if name in EVALUATING else ""


def _is_importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
