"""Apply overrides from the command line, and check that each one can take effect.

mmengine merges any key, and the reader of the config ignores those it doesn't know:
``--cfg-options optmi.lr=1`` changes nothing and prints nothing.  Here a key must exist in
the config, be an argument of the Runner, or be a parameter of the class that its dict's
``type`` names.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.logging import print_log

from bag_of_transfer.engine.config.config_vocabulary import FREE_FORM, known_children
from bag_of_transfer.engine.config.custom_imports import announce_names, import_stated
from bag_of_transfer.engine.config.former_keys import today
from bag_of_transfer.engine.config.knob_names import ALL_NAMES, SYNONYMS
from bag_of_transfer.engine.config.leftovers import changes_type, drop_leftovers
from bag_of_transfer.engine.config.override_value import CFG_OPTIONS, read_options
from bag_of_transfer.engine.config.plain_settings import setting_names
from bag_of_transfer.engine.config_nodes import child, nodes
from bag_of_transfer.engine.errors import UserError, former_name_in
from bag_of_transfer.engine.tasks import default_scope

__all__ = ["apply_overrides", "option_keys"]

LEAST_LIKENESS = 1.1  # of a spelling, out of 3; below, it is another key
_FLAGS = {"amp": "--amp", "seed": "--seed"}  # of the training tools
_ABSENT = object()
SWITCHES = {"yes", "no", "on", "off", "y", "n"}  # of YAML; mmengine knows true and false
_MM_KEYS = frozenset({"_delete_", "_scope_"})  # mmengine understands them in any dict


class _Unknown(NamedTuple):
    """Where a key leaves what is known: the depth, the value above it and the names known there."""

    depth: int
    parent: Any
    known: frozenset[str]


def apply_overrides(cfg: Config, options: Sequence[str] | Mapping[str, Any]) -> set[str]:
    """Merge ``options`` into ``cfg``: all of them or, on an error, none.

    Packages whose classes the config names (mmdet, mmseg, ours) must be imported before.  If an
    override sets a new ``type``, arguments of the old type that the new one does not take are
    dropped, and a line says so.

    Args:
        cfg: Changed in place.
        options: ``["train_cfg.max_epochs=3", ...]`` as typed, or already parsed as
            ``{"train_cfg.max_epochs": 3, ...}``.  ``param_scheduler.0.end`` reaches into
            a list; ``_delete_`` in a dict replaces the old dict instead of adding to it.

    Returns:
        The dotted keys that were set.

    Raises:
        UserError: If a value cannot be read or is a word where a number was, two options
            contradict each other, or a key or a type exists nowhere; the nearest known spelling
            is offered.
    """
    parsed = dict(options) if isinstance(options, Mapping) else read_options(options)
    tree = _nest(parsed)
    old = dict(cfg.items())
    new = _merge(old, tree)
    if "custom_imports" in tree:
        if names := _modules(old.get("custom_imports"), tree["custom_imports"]):
            new["custom_imports"]["imports"] = names
        new["custom_imports"] = _import(new["custom_imports"])
    dropped = list(drop_leftovers(old, new, tree))
    for key, value in parsed.items():
        for parts in _paths(tuple(key.split(".")), value):
            unknown = _first_unknown(parts, key.count(".") + 1, old, new, tree)
            if unknown:
                raise _error(parts, unknown, old, new)
            _check_number(parts, old, new)
    for name in tree:
        cfg[name] = new[name]
    for line in dropped:
        print_log(line, logger="current")
    return set(parsed)


def option_keys(options: Sequence[str] | Mapping[str, Any]) -> frozenset[str]:
    """Return the dotted keys of overrides, before their values are read."""
    return frozenset(option.partition("=")[0] for option in options)


def _modules(before: Any, given: Any) -> list[str]:
    """Return the modules of a config with those of the command line; none if that replaces them."""
    if not isinstance(given, Mapping) or given.get("_delete_") or not before:
        return []
    both = [one.get("imports") or [] for one in (before, given)]
    names = [name for one in both for name in ([one] if isinstance(one, str) else one)]
    return list(dict.fromkeys(names))


def _import(stated: Any) -> dict[str, Any]:
    """Import what the command line names; the config's modules were imported when it was read."""
    try:
        current = import_stated(stated)
    except Exception as error:  # a module is code, and may fail in any way
        reason = f"{type(error).__name__}, {error}".partition("\n")[0].replace(": ", ", ")
        mend = "name modules that Python can find and import, `custom_imports.imports=[a.b]`"
        mistake = UserError(f"custom_imports fails ({reason})", CFG_OPTIONS, mend)
        raise former_name_in(error) or mistake from error
    announce_names(stated, current)
    return current


def _nest(parsed: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{"a.b": 1, "a.c": 2}`` into ``{"a": {"b": 1, "c": 2}}``."""
    tree: dict[str, Any] = {}
    for key in sorted(parsed):  # `a` comes before `a.b`
        *parents, last = key.split(".")
        node = tree
        for name in parents:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise UserError(
                    f"override `{key}` contradicts the one that sets `{name}` as a whole",
                    CFG_OPTIONS,
                    "keep one of the two",
                )
        node[last] = copy.deepcopy(parsed[key])
    return tree


def _merge(old: Any, new: Any) -> Any:
    """Return ``old`` with ``new`` merged into it; neither is changed.

    Config.merge_from_dict refuses a dict where None was, and list items that are not dicts, so
    the merging is done here.
    """
    if not isinstance(new, Mapping):
        return new
    if isinstance(old, list) and all(_is_index(name, old) for name in new):
        items = {int(name): value for name, value in new.items()}
        return [_merge(item, items[i]) if i in items else item for i, item in enumerate(old)]
    keep = isinstance(old, Mapping) and not new.get("_delete_")
    merged = dict(old.items()) if keep else {}
    for name, value in new.items():
        if name != "_delete_":
            merged[name] = _merge(merged.get(name), value)
    return merged


def _check_number(parts: tuple[str, ...], old: Any, new: Any) -> None:
    """Check that no word replaces a number: it would fail deep inside, or be ignored.

    Nor may ``no`` or ``off`` stand for False: as words they count as True.
    """
    for name in parts:
        old, new = child(old, name, _ABSENT), child(new, name, _ABSENT)
    is_switch = isinstance(new, str) and new.lower() in SWITCHES and not isinstance(old, str)
    if is_switch and parts != ("amp",):  # a flag's, which is told elsewhere
        what = f"override `{'.'.join(parts)}` has the word `{new}`, which counts as True"
        raise UserError(what, CFG_OPTIONS, "write True or False")
    if isinstance(new, str) and isinstance(old, int | float) and not isinstance(old, bool):
        key = ".".join(parts)
        raise UserError(
            f"override `{key}` wants a number, not `{new}`", CFG_OPTIONS, f"it is {old} now"
        )


def _is_index(name: str, items: Sequence[Any]) -> bool:
    return name.isdecimal() and int(name) < len(items)


def _paths(parts: tuple[str, ...], value: Any) -> Iterator[tuple[str, ...]]:
    """Yield the paths to all leaves of a value: names in a dict or list of dicts are checked."""
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        value = {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, Mapping) or not value:
        yield parts
        return
    for name, inner in value.items():
        yield from _paths((*parts, name), inner)


def _first_unknown(
    parts: tuple[str, ...], num_dotted: int, old: Any, new: Any, tree: Any
) -> _Unknown | None:
    """Walk down ``parts`` and return where they leave what is known; None if they never do.

    The first ``num_dotted`` parts were joined by dots.  ``old`` and ``new`` are the config before
    and after the merge, ``tree`` the overrides.
    """
    scope = default_scope(new)
    above: Any = None  # the node around ``new``
    for depth, name in enumerate(parts):
        if isinstance(new, Mapping):
            scope = new.get("_scope_") or scope
        if isinstance(tree, Mapping) and tree.get("_delete_"):
            old = _ABSENT  # the old keys are gone: those of the new type count
        is_scalar = not isinstance(old, (Mapping, list)) and old is not None and old is not _ABSENT
        if is_scalar and depth < num_dotted:
            return _Unknown(depth, old, frozenset())
        elif changes_type(old, tree, scope):
            old = {key: value for key, value in old.items() if key not in tree}
        whole = isinstance(new, list | tuple) and depth >= num_dotted  # its items are all given
        if child(old, name, _ABSENT) is _ABSENT and name not in _MM_KEYS and not whole:
            known = _names_at(parts[:depth], old, new, scope, above)
            # A number is an index into a list, and here is no list; labels are numbers, too.
            is_index = name.isdecimal() and not FREE_FORM.intersection(parts[:depth])
            if is_index or (known is not None and name not in known):
                return _Unknown(depth, old, known or frozenset())
        old = _ABSENT if whole else child(old, name, _ABSENT)
        above, new, tree = new, child(new, name, _ABSENT), child(tree, name, _ABSENT)
    return None


def _names_at(
    path: tuple[str, ...], old: Any, new: Any, scope: str, above: Any
) -> frozenset[str] | None:
    """Return the keys that may be added at ``path``; None if any key may."""
    if isinstance(old, list) or (path and path[0] in ALL_NAMES):
        return frozenset()
    if FREE_FORM.intersection(path):
        return None
    known = known_children(".".join(path), new if isinstance(new, Mapping) else {}, scope)
    if known is None and path:
        known = setting_names(path[-1], above, scope)
    if known is None and isinstance(old, Mapping):
        return frozenset()  # a dict of the config without a type: only its own keys are known
    if known is not None and not path:
        return known | ALL_NAMES
    return known  # None: a new dict under a known parameter, and we don't know what reads it


def _error(parts: tuple[str, ...], unknown: _Unknown, config: Any, new: Any) -> UserError:
    before, after = parts[: unknown.depth], parts[unknown.depth + 1 :]
    if isinstance(unknown.parent, list):
        mend = f"`{'.'.join(before)}` has {len(unknown.parent)} entries, counted from 0"
    elif parts[0] in _FLAGS and not before:
        mend = f"it is a flag of the training tools, `{_FLAGS[parts[0]]}`"
    elif not before and (name := today(".".join(parts))):
        mend = f"today it is `{name}`"
    else:
        corrected = [(*before, name, *after) for name in unknown.known - SYNONYMS.keys()]
        legal = [c for c in corrected if not _first_unknown(c, len(c), config, new, None)]
        best = _nearest(".".join(parts), {*dict(nodes(config)), *map(".".join, legal)})
        mend = f"did you mean `{best}`?" if best else "look the key up in the config"
    return UserError(f"override `{'.'.join(parts)}` exists nowhere", CFG_OPTIONS, mend)


def _nearest(key: str, candidates: Iterable[str]) -> str | None:
    """Return the best spelling; the last name counts as much as the whole key (``optmi.lr``).

    A name that has the last one as a word, as ``num_workers`` has ``workers``, goes before others.
    """
    last = key.rpartition(".")[2]

    def likeness(candidate: str) -> float:
        name = candidate.rpartition(".")[2]
        whole = SequenceMatcher(None, key, candidate).ratio()
        return whole + SequenceMatcher(None, last, name).ratio() + (last in name.split("_"))

    best = max(candidates, key=likeness)
    return best if likeness(best) > LEAST_LIKENESS else None
