"""Which file of a config states which keys: from the bases to the leaf, read but not executed.

mmengine merges the files and forgets where a value came from.  A text config cannot hand a value
back to its bases, so a name that a file sets and does not use itself has no effect of its own:
``knobs.py`` gives it one, or refuses it.
"""

import ast
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.own_files import CONFIGS
from bag_of_transfer.engine.stock_configs import config_path, is_stock

__all__ = ["Source", "config_sources", "keys_in", "parsed_config", "places_of"]

BASE = "_base_"
FROM_A_BASE = re.compile(rf"{BASE}\.(\w+)")  # how a config reads a name of its bases


class Source(NamedTuple):
    """What one file of a config states.

    Args:
        path: The file.
        keys: The dotted keys that it sets.
        names: The names that it sets at the top.
        unused: Those that neither it nor a file above it uses.
        uses: Keys whose values are made of a name, by the name.
    """

    path: Path
    keys: frozenset[str]
    names: frozenset[str]
    unused: frozenset[str]
    uses: Mapping[str, Sequence[str]]

    @property
    def is_own(self) -> bool:
        """Whether a user wrote it: it came with no installed package, nor with this toolkit."""
        return _is_own(self.path)


@functools.cache
def _is_own(path: Path) -> bool:
    return not is_stock(path) and not path.resolve().is_relative_to(CONFIGS)


def config_sources(path: Path) -> list[Source]:
    """Return what each file of a config states, bases before the files on them.

    Args:
        path: The config, in Python.

    Raises:
        UserError: If a file is not valid Python.
    """
    files: dict[Path, ast.Module] = {}
    _collect(path, files)
    sources: list[Source] = []
    used_above: set[str] = set()
    for file, tree in reversed(files.items()):
        text = file.read_text(encoding="utf-8", errors="replace")
        used = used_above | _used_names(tree)
        names = _set_names(tree) - {BASE}
        unused = set() if _is_complete(tree) or is_stock(file) else names - used
        keys = frozenset(keys_in(tree))
        sources.append(Source(file, keys, frozenset(names), frozenset(unused), _uses(tree)))
        used_above.update(FROM_A_BASE.findall(text))
    return sources[::-1]


def places_of(name: str, sources: Sequence[Source]) -> list[str]:
    """Return the keys whose values are made of a name, itself or by way of other names."""
    found: list[str] = []
    for source in sources:
        for place in source.uses.get(name, ()):
            top, _, inner = place.partition(".")
            above = places_of(top, sources) if top != name else []
            found += [f"{key}.{inner}".rstrip(".") for key in above] or [place]
    return list(dict.fromkeys(found))


def parsed_config(path: Path) -> ast.Module:
    """Parse a config without running it.

    Raises:
        UserError: If it is not valid Python.
    """
    try:
        return _parsed(path.read_bytes())
    except SyntaxError as error:
        raise UserError(
            "the config is not valid Python", f"{path}:{error.lineno}", error.msg
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes, or nested too deeply
        what = f"the config is not valid Python ({type(error).__name__})"
        raise UserError(what, path, "see the configs in configs/") from error


@functools.cache  # the bases of many configs are the same; nobody changes the tree
def _parsed(text: bytes) -> ast.Module:
    return ast.parse(text)


def keys_in(tree: ast.Module) -> set[str]:
    """Return the dotted keys that the assignments of a config set."""
    keys: dict[str, set[str]] = {}
    for name, path, value in _assigned(tree):
        below = {f"{path}{inner}" for inner in _dotted(value, keys)}
        keys[name] = below if not path else keys.get(name, set()) | below
    return {f"{name}{inner}" for name, inside in keys.items() for inner in inside}


def _assigned(tree: ast.Module) -> Iterator[tuple[str, str, ast.expr]]:
    """Yield each variable, the keys below it that a statement sets (behind dots), and the value."""
    for statement in tree.body:
        value = getattr(statement, "value", None)
        if isinstance(statement, ast.Assign | ast.AnnAssign) and value is not None:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            path = ""
            while isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                path, target = f".{target.slice.value!s}{path}", target.value
            if isinstance(target, ast.Name):
                yield target.id, path, value
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            owner, method = value.func.value, value.func.attr
            if method == "update" and isinstance(owner, ast.Name):
                for name, child in (*_items(value), *(i for a in value.args for i in _items(a))):
                    yield owner.id, f".{name}", child


def _collect(path: Path, files: dict[Path, ast.Module]) -> None:
    """Add a config's files, each once, bases first."""
    tree = parsed_config(path)
    for base in _bases(tree):
        file = path.parent / config_path(base)
        if file not in files and file.suffix == path.suffix and file.is_file():
            _collect(file, files)
    files[path] = tree


def _bases(tree: ast.Module) -> list[str]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and _target_names(statement) == {BASE}:
            try:
                stated = ast.literal_eval(statement.value)
            except ValueError:  # computed
                return []
            return [stated] if isinstance(stated, str) else [str(base) for base in stated]
    return []


def _is_complete(tree: ast.Module) -> bool:
    """Return whether a config builds on no other, as a resolved one: it has nothing to change."""
    imports = any(isinstance(statement, ast.With) for statement in tree.body)
    names = _set_names(tree)
    return "model" in names and BASE not in names and not imports


@functools.cache
def _set_names(tree: ast.Module) -> set[str]:
    return {name for statement in tree.body for name in _target_names(statement)}


def _target_names(statement: ast.stmt) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    nodes = (node for target in targets for node in ast.walk(target))
    return {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


@functools.cache
def _used_names(tree: ast.Module) -> set[str]:
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Load)}


@functools.cache
def _uses(tree: ast.Module) -> dict[str, list[str]]:
    """Return the keys whose values are made of each name."""
    uses: dict[str, list[str]] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            for target in _target_names(statement):
                for name, place in _names_in(statement.value, target):
                    uses.setdefault(name, []).append(place)
    return uses


def _names_in(value: ast.AST, dotted: str) -> Iterator[tuple[str, str]]:
    """Yield each name that a value is made of, with the key of the value of which it is a part."""
    if isinstance(value, ast.Name):
        yield value.id, dotted
    keyed = dict(_items(value)) if isinstance(value, ast.expr) else {}
    for key, part in keyed.items():
        yield from _names_in(part, f"{dotted}.{key}")
    is_list = isinstance(value, ast.List)
    for index, child in enumerate(ast.iter_child_nodes(value)):
        inner = child.value if isinstance(child, ast.keyword) else child
        if isinstance(inner, ast.comprehension | ast.ListComp):  # of unknown length
            yield from ((x.id, dotted) for x in ast.walk(inner) if isinstance(x, ast.Name))
        elif is_list and _is_part(inner):
            yield from _names_in(inner, f"{dotted}.{index}")
        elif not any(inner is part for part in keyed.values()):
            yield from _names_in(inner, dotted)


def _is_part(value: ast.AST) -> bool:
    """Return whether a value in a list has keys of its own."""
    inside = isinstance(value, ast.List) and any(map(_is_part, value.elts))
    return inside or (isinstance(value, ast.expr) and any(_items(value)))


def _dotted(value: ast.expr, known: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield the keys of a value, each behind a dot, and "" for the value itself.

    Args:
        value: What is assigned.
        known: Such keys of each variable assigned above, as in ``model = dict(backbone=backbone)``.
    """
    if isinstance(value, ast.Name):
        yield from known.get(value.id, {""})
        return
    yield ""
    for name, child in (*_items(value), *_members(value)):
        yield from (f".{name}{inner}" for inner in _dotted(child, known))
    for spread in (word.value for word in getattr(value, "keywords", ()) if word.arg is None):
        yield from _dotted(spread, known)  # dict(**extra)


def _members(value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the members of a list that have keys of their own, by their numbers."""
    members = value.elts if isinstance(value, ast.List | ast.Tuple) else []
    yield from ((str(place), one) for place, one in enumerate(members) if any(_items(one)))


def _items(value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(value, ast.Call):
        yield from ((keyword.arg, keyword.value) for keyword in value.keywords if keyword.arg)
    if isinstance(value, ast.Dict):
        for key, child in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, child
