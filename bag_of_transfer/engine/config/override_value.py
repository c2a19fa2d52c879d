"""Read ``--cfg-options``."""

import ast
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

from bag_of_transfer.engine.errors import UserError

__all__ = ["CFG_OPTIONS", "read_options", "read_value"]

CFG_OPTIONS = "--cfg-options"

_DICT = re.compile(r"""(^|[\[(,\s])(dict\(|\{)""")  # DictAction reads a dict as a string
# DictAction moves the bracket in [1,2][3], and never ends on others.
_AFTER = re.compile(r"^\s*[\[(].*[\])]\s*[^\s,\])]")
_INNER = re.compile(r"(?<=[^\s,\[(]) +(?=[^\s,\])])")
_QUOTED = re.compile(r"""\s*(['"]|[\[(].*['"])""", re.DOTALL)
_NO_LITERAL = re.compile(r"""\\|['"]\s*['"]""")  # escapes, and texts that Python would join
_BLANK = "\0"  # stands for a blank that stays; no argument of a process can hold it


def read_options(options: Sequence[str]) -> dict[str, Any]:
    """Read options as typed, ``["a.b=1", ...]``; return the values by their dotted keys.

    Raises:
        UserError: If one is not KEY=VALUE, or its value cannot be read.
    """
    parsed: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not all(key.split(".")):
            raise UserError(f"override `{option}` is not KEY=VALUE", CFG_OPTIONS, "write `a.b.c=1`")
        parsed[key] = read_value(key, text)
    return parsed


def read_value(key: str, text: str) -> Any:
    """Read a value as mmengine does, without its silent misreadings.

    Blanks inside a name or a path stay, as in ``data_root=my data``; mmengine drops them.  What
    stands in quotes is text, with its commas: ``'1'``, ``['a,b','c']``; mmengine drops the quotes.

    Args:
        key: The dotted key, for the error.
        text: What stands behind the ``=``.

    Raises:
        UserError: If mmengine would read something else than was meant.
    """
    quoted = _quoted(text)
    if quoted is not None:
        return quoted
    unclosed = text[:1] in {"'", '"'} and (len(text) == 1 or text[-1] != text[0])
    try:
        if not text or unclosed or _DICT.search(text) or not _balanced(text) or _AFTER.search(text):
            raise ValueError(text)
        namespace = Namespace()
        DictAction([], "parsed")(ArgumentParser(), namespace, [f"{key}={_INNER.sub(_kept, text)}"])
    except (AssertionError, ValueError, RecursionError):
        raise UserError(
            f"override `{key}` has the unreadable value `{text}`",
            CFG_OPTIONS,
            "quote lists for the shell, `'a.b=[1,2]'`, and set dicts key by key, `a.b.c=1`",
        ) from None
    return _with_blanks(namespace.parsed[key])


def _quoted(text: str) -> Any:
    """Return a text in quotes, or a list with such texts, as Python reads it; else None."""
    if not _QUOTED.match(text) or _NO_LITERAL.search(text) or _DICT.search(text):
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    is_single = isinstance(value, str) and text.lstrip()[0] == "("  # mmengine's tuple of one
    return None if is_single else value


def _balanced(text: str) -> bool:
    """Return whether brackets match; DictAction reads ``[1`` as a string, ``[(1])`` as a list."""
    closes = {")": "(", "]": "["}
    opened: list[str] = []
    for char in text:
        if char in closes.values():
            opened.append(char)
        elif char in closes and (not opened or opened.pop() != closes[char]):
            return False
    return not opened


def _kept(blanks: re.Match[str]) -> str:
    return _BLANK * len(blanks[0])


def _with_blanks(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_BLANK, " ")
    return type(value)(map(_with_blanks, value)) if isinstance(value, list | tuple) else value
