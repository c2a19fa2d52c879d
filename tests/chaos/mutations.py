"""Spoil a sound file in one way: a value of another kind, a key too many, a byte, an end.

What Hypothesis draws decides the way, so that a failure is shrunk and can be repeated.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

__all__ = ["HOSTILE", "RUNS", "Draw", "spoil_bytes", "spoil_json", "spoil_text"]

Draw = Callable[[st.SearchStrategy[Any]], Any]

RUNS = "__import__('pathlib').Path('executed').touch()"  # in Python: leaves a file if it runs
WORDS = [
    *("", " ", "0", "-1", "nan", "inf", "1e400", "true", "None", "[1]", "../../up", "/etc/passwd"),
    *("\u00e9\u691c", "\x1b[31m", "<b>", "a\nb", "a\x00b", "x" * 5000, RUNS, "{{$HOME}}"),
]
NUMBERS = [0, -1, 1.5, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, -0.0]
CONSTANTS = [True, False, None, float("nan"), float("inf"), float("-inf")]
# "\ud800" is half a letter; a list of lists is deeper than a reader should follow.
RAW = ["1e400", "9" * 5000, '"\\ud800"', "[" * 200 + "]" * 200, "NaN", "-Infinity", "{}{}", ""]
HOSTILE = [*WORDS, *NUMBERS, *CONSTANTS, [], {}, [[]], [None], {"type": RUNS}, ["a", 1]]
MARK = "\u2603raw\u2603"  # stands for text that is no JSON, until the rest is written


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every value as what holds it and its key there."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])


def spoil_json(draw: Draw, value: Any) -> bytes:
    """Change one value of a JSON file, or its text."""
    how = draw(st.sampled_from(["value", "value", "raw", "remove", "twice", "add", "top", "text"]))
    if how == "text":
        return spoil_text(draw, json.dumps(value))
    if how == "top":
        return json.dumps(draw(st.sampled_from(HOSTILE))).encode()
    spoilt = copy.deepcopy(value)
    holder, key = draw(st.sampled_from(list(_places(spoilt))))
    raw = ""
    if how == "value":
        holder[key] = draw(st.sampled_from(HOSTILE))
    elif how == "raw":
        holder[key], raw = MARK, draw(st.sampled_from(RAW))
    elif how == "remove":
        del holder[key]
    elif how == "add" and isinstance(holder, list):
        holder.append(draw(st.sampled_from(HOSTILE)))
    elif how == "add":
        holder[draw(st.sampled_from(WORDS))] = draw(st.sampled_from(HOSTILE))
    elif isinstance(holder, dict):  # the same key twice
        holder[MARK] = holder[key]
        return json.dumps(spoilt).replace(json.dumps(MARK), json.dumps(key)).encode()
    return json.dumps(spoilt).replace(json.dumps(MARK), raw).encode()


def spoil_text(draw: Draw, text: str) -> bytes:
    """Change one token of a text, a line, its encoding or line ends, or its bytes."""
    how = draw(st.sampled_from(["token", "token", "line", "code", "bytes"]))
    if how == "token":
        tokens = [match.span() for match in re.finditer(r"[\w.+-]+", text)] or [(0, 0)]
        begin, end = draw(st.sampled_from(tokens))
        word = draw(st.sampled_from([*WORDS, *map(str, NUMBERS), *map(str, CONSTANTS)]))
        return (text[:begin] + word + text[end:]).encode()
    if how == "line":
        lines = text.splitlines() or [""]
        number = draw(st.integers(0, len(lines) - 1))
        instead = draw(st.sampled_from([[], [lines[number]] * 2, ["", lines[number]], ["\x00"]]))
        return "\n".join([*lines[:number], *instead, *lines[number + 1 :]]).encode()
    if how == "code":
        return draw(
            st.sampled_from(
                [
                    b"\xef\xbb\xbf" + text.encode(),
                    text.replace("\n", "\r\n").encode(),
                    text.encode("utf-16"),
                    "\u00e9".encode("latin-1") + text.encode(),
                    text.encode() + b"\x00",
                ]
            )
        )
    return spoil_bytes(draw, text.encode())


def spoil_bytes(draw: Draw, data: bytes) -> bytes:
    """Cut a file, empty it, or change, add or remove some of its bytes."""
    how = draw(
        st.sampled_from(["cut", "empty", "flip", "flip", "fill", "insert", "remove", "tail"])
    )
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    if how == "cut":
        return data[:at]
    if how == "empty":
        return b""
    if how == "flip":
        flipped = bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) if data else b""
        return data[:at] + flipped + data[at + 1 :]
    length = draw(st.sampled_from([1, 4, 64]))
    if how == "fill":
        filler = draw(st.sampled_from([b"\x00", b"\xff"]))
        return data[:at] + filler * length + data[at + length :]
    if how == "insert":
        return data[:at] + draw(st.binary(min_size=1, max_size=length)) + data[at:]
    return data[:at] + data[at + length :] if how == "remove" else data[:at] + bytes(len(data) - at)
