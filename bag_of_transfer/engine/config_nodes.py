"""Look into a config: its values with their dotted keys, as a user would type them; its types."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["bare_type", "child", "dicts_with", "leaves_of", "nodes", "value_at"]


def bare_type(config: Mapping[str, Any]) -> str:
    """Return the name of a config's ``type`` alone.

    Args:
        config: Its type is a class or a function, or a name that may have a scope
            (``mmdet.ResNet``) or a library (``torchvision/Resize``); without a type the answer is
            empty.
    """
    kind = config.get("type", "")
    name = str(getattr(kind, "__name__", kind))
    return name.rpartition("/")[2].rpartition(".")[2]


def child(node: Any, name: str, absent: Any = None) -> Any:
    """Return the value of one key, a list's by its index; ``absent`` where there is none."""
    if isinstance(node, list | tuple):
        return node[int(name)] if name.isdecimal() and int(name) < len(node) else absent
    return node.get(name, absent) if isinstance(node, Mapping) else absent


def value_at(node: Any, key: str, absent: Any = None) -> Any:
    """Return the value of a dotted key, in which numbers are indices of lists; see :func:`child`.

    Args:
        node: A dict; mmengine's Config is none.
        key: Such as ``optim_wrapper.optimizer.lr``.
        absent: The answer where there is no such value.
    """
    for name in key.split("."):
        node = child(node, name, absent)
    return node


def nodes(node: Any, dotted: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a node and all nodes below it with their keys, each dict or list before its contents.

    Args:
        node: A dict or list of a config, or any value.
        dotted: Its key; empty for a whole config, which is not yielded itself.
    """
    if dotted:
        yield dotted, node
    if isinstance(node, Mapping):
        children: Any = node.items()
    elif isinstance(node, list | tuple):
        children = enumerate(node)
    else:
        return
    for key, inner in children:
        yield from nodes(inner, f"{dotted}.{key}" if dotted else str(key))


def dicts_with(wanted: str, node: Any, dotted: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dicts that have the key ``wanted``, with their own keys; see :func:`nodes`."""
    for place, value in nodes(node, dotted):
        if isinstance(value, Mapping) and wanted in value:
            yield place, value


def leaves_of(described: Any, dotted: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the data sets that a description wraps (repeated, joined, mixed), with their keys.

    Args:
        described: A data set as a config states it; what is no dict is left out.
        dotted: Its key.
    """
    if not isinstance(described, Mapping):
        return
    key = next((key for key in ("datasets", "dataset") if described.get(key)), None)
    if key is None:
        yield dotted, described
    elif isinstance(described[key], list | tuple):
        for number, part in enumerate(described[key]):
            yield from leaves_of(part, f"{dotted}.{key}.{number}")
    else:
        yield from leaves_of(described[key], f"{dotted}.{key}")
