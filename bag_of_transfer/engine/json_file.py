"""Read JSON files; any damage is reported in one line."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.fields import ANYTHING, Rule, check
from bag_of_transfer.engine.plain_files import read_file

__all__ = ["parse_json", "read_json", "read_json_lines", "read_json_or_none"]

MAX_DEPTH = 100  # our deepest file, a checkpoint's model, has about 12 levels


def read_json(
    path: Path, mend: str, rule: Rule = ANYTHING, kind: type = dict, finite: bool = True
) -> Any:
    """Read a file of UTF-8 text, with or without a byte order mark.

    Args:
        path: The file.
        mend: How to mend a damaged file, for the error.
        rule: What the fields must be.
        kind: What the file holds at the top: dict or list.
        finite: Refuse ``NaN`` and ``Infinity``, which JSON does not have, and numbers so large that
            they are read as such.

    Raises:
        UserError: If the file cannot be read, is not UTF-8, not JSON, of another kind, names a
            key twice, is nested deeper than 100 levels, or breaks the rule.
    """
    value = parse_json(_read_bytes(path, mend), path, mend, kind, finite)
    check(value, rule, path, mend)
    return value


def read_json_or_none(path: Path, rule: Rule = ANYTHING) -> Any:
    """Read a file that may be missing, such as a cache; return None if it is missing or damaged."""
    try:
        return read_json(path, "", rule)
    except UserError:
        return None


def read_json_lines(
    path: Path, mend: str, rule: Rule = ANYTHING, cut_short: bool = False
) -> list[dict[str, Any]]:
    """Read a file with one JSON object per line; empty lines do not count.

    Args:
        path: The file.
        mend: How to mend a damaged file, for the error.
        rule: What the fields of a line must be.
        cut_short: Leave out a last line that is damaged: a crash may have cut it.

    Raises:
        UserError: As :func:`read_json`, with the line's number.
    """
    lines = _read_bytes(path, mend).splitlines()
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    objects = []
    for number, line in numbered:
        try:
            objects.append(parse_json(line, f"{path}:{number}", mend, finite=False))
        except UserError:
            if not cut_short or number < numbered[-1][0]:
                raise
        else:
            check(objects[-1], rule, f"{path}:{number}", mend)
    return objects


def parse_json(
    data: bytes | str, where: object, mend: str, kind: type = dict, finite: bool = True
) -> Any:
    """Parse JSON that was read from a file, or from a text inside a file.

    Args:
        data: The text.
        where: The file, for the error.
        mend: How to mend a damaged file, for the error.
        kind: What the text holds at the top: dict or list.
        finite: Refuse ``NaN`` and ``Infinity``, which JSON does not have.

    Raises:
        UserError: As :func:`read_json`.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant if finite else float,
            parse_float=_finite if finite else float,
        )
    except UnicodeDecodeError as error:
        raise UserError("the file is not UTF-8 text", where, mend) from error
    except RecursionError as error:
        raise UserError(_DEEP, where, mend) from error
    except ValueError as error:
        raise UserError(f"the file is not JSON ({without_colons(error)})", where, mend) from error
    if not isinstance(value, kind):
        what = f"the file holds {_name(type(value))}, not {_name(kind)}"
        raise UserError(what, where, mend)
    if _is_deep(value):
        raise UserError(_DEEP, where, mend)
    if _HALF in text.lower():
        _refuse_half_letters(value, where, mend)
    return value


def _read_bytes(path: Path, mend: str) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        what = f"the file cannot be read ({error.strerror or error})"
        raise UserError(what, path, mend) from error


_DEEP = f"the JSON is nested deeper than {MAX_DEPTH} levels"


_HALF = "\\ud"  # "\\ud800" alone is half a letter, which cannot be written or printed


def _refuse_half_letters(value: Any, where: object, mend: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UserError("a text holds half a letter (a lone surrogate)", where, mend) from error


def _name(kind: type) -> str:
    return "an object" if kind is dict else "a list" if kind is list else "a single value"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is given twice")
    return unique


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is larger than any number here")
    return value


def _is_deep(value: Any) -> bool:
    """Return whether a value is nested too deeply, without recursion, which has a limit itself."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _containers(node)]
        if not level:
            return False
    return True


def _containers(node: Any) -> Iterable[Any]:
    children = node.values() if isinstance(node, dict) else node
    return [child for child in children if isinstance(child, dict | list)]
