"""What the fields of a record may hold, stated once for each kind of record and checked in one way.

A record is what a file, a config or a command line says: JSON allows any type anywhere, and a wrong
one would fail hours later or far away.  ``fields(name=COUNT, lr=optional(NUMBER))`` is the rule of
a record, and itself a rule; :func:`check` names the first field that breaks its rule.
"""

import math
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.numbers import is_finite_number, is_whole

__all__ = [
    "ANYTHING",
    "BELOW_1",
    "COUNT",
    "COUNT_OR_0",
    "NOT_NEGATIVE",
    "NUMBER",
    "NUMBERS",
    "POSITIVE",
    "REAL",
    "SHA256",
    "SWITCH",
    "TEXT",
    "WHOLE",
    "Rule",
    "by_name",
    "check",
    "fields",
    "list_of",
    "one_of",
    "optional",
    "shown",
]

LARGEST = 2**63 - 1  # what numpy and torch can count
MAX_SHOWN = 60  # characters of a wrong value
MISSING = object()
Part = tuple[object, Any, "Rule"]  # a field's name, its value, and the rule of the value


def _nothing(value: Any) -> Iterable[Part]:
    return ()


@dataclass(frozen=True)
class Rule:
    """What a value must be.

    Args:
        holds: Whether a value is so, without its parts.
        words: The same in words, for messages.
        parts: The parts of a value that is so, each with its own rule.
        required: Whether a record must have such a field.
    """

    holds: Callable[[Any], bool]
    words: str
    parts: Callable[[Any], Iterable[Part]] = _nothing
    required: bool = True

    def keeps(self, value: Any) -> bool:
        """Return whether a value, with its parts, keeps the rule."""
        return self.first_wrong(value) is None

    def first_wrong(self, value: Any, name: str = "") -> str | None:
        """Return in words what is wrong with a value, or with a part of it; None if nothing is.

        Args:
            value: The value.
            name: What to call it: its dotted key.
        """
        if value is MISSING:
            return f"{name} is missing" if self.required else None
        if not self.holds(value):
            return f"{name or 'it'} is {shown(value)}, not {self.words}"
        for key, part, rule in self.parts(value):
            wrong = rule.first_wrong(part, f"{name}.{_key(key)}" if name else _key(key))
            if wrong:
                return wrong
        return None


def check(record: Any, rule: Rule, where: object, mend: str) -> None:
    """Check a record.

    Args:
        record: What was read.
        rule: What it must be; see :func:`fields`.
        where: The file, for the error.
        mend: How to mend it, for the error.

    Raises:
        UserError: If a field is missing or breaks its rule, with the field and its value.
    """
    wrong = rule.first_wrong(record)
    if wrong:
        raise UserError(without_colons(wrong), where, mend)


def _key(key: object) -> str:
    text = str(key)
    return text if text.isprintable() and len(text) <= MAX_SHOWN else shown(key)


def shown(value: Any) -> str:
    """Return a value in one short line, whatever it is."""
    try:
        text = without_colons(reprlib.repr(value))
    except ValueError:  # an int of more digits than Python prints
        text = "a huge number"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _is_count(value: Any, least: int) -> bool:
    return is_whole(value) and least <= value <= LARGEST


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


ANYTHING = Rule(lambda v: True, "any value")
COUNT = Rule(lambda v: _is_count(v, 1), "a whole number, 1 or more")
COUNT_OR_0 = Rule(lambda v: _is_count(v, 0), "a whole number, 0 or more")
WHOLE = Rule(lambda v: _is_count(v, -LARGEST), "a whole number")
NUMBER = Rule(is_finite_number, "a finite number")
NOT_NEGATIVE = Rule(lambda v: is_finite_number(v) and v >= 0, "a finite number, 0 or more")
POSITIVE = Rule(lambda v: is_finite_number(v) and v > 0, "a finite number above 0")
BELOW_1 = Rule(lambda v: is_finite_number(v) and 0 <= v < 1, "a number from 0 to below 1")
# A loss or a metric may have been lost.
REAL = Rule(
    lambda v: is_finite_number(v) or (isinstance(v, float) and not math.isfinite(v)), "a number"
)
SWITCH = Rule(lambda v: isinstance(v, bool), "True or False")
TEXT = Rule(_is_text, "a text")
SHA256 = Rule(_is_sha256, "a SHA-256")


def list_of(rule: Rule, least: int = 0, words: str = "a list") -> Rule:
    """Return the rule of a list, or tuple, of at least ``least`` values that all keep ``rule``."""
    return Rule(
        lambda v: isinstance(v, list | tuple) and len(v) >= least,
        words if least == 0 else f"{words} with at least {least} of them",
        lambda v: ((index, item, rule) for index, item in enumerate(v)),
    )


def by_name(rule: Rule) -> Rule:
    """Return the rule of an object with any names, whose values all keep ``rule``."""
    return Rule(
        lambda v: isinstance(v, Mapping) and all(isinstance(name, str) for name in v),
        "an object",
        lambda v: ((name, item, rule) for name, item in v.items()),
    )


def fields(rules: Mapping[str, Rule]) -> Rule:
    """Return the rule of an object with these fields; other fields may hold anything."""
    return Rule(
        lambda v: isinstance(v, Mapping),
        "an object",
        lambda v: ((name, v.get(name, MISSING), rule) for name, rule in rules.items()),
    )


def one_of(*values: Any) -> Rule:
    """Return the rule of a value that is one of ``values``, and of the same type."""
    return Rule(
        lambda v: any(type(v) is type(value) and v == value for value in values),
        f"one of {', '.join(map(str, values))}" if len(values) > 1 else str(values[0]),
    )


def optional(rule: Rule) -> Rule:
    """Return the rule of a field that may be missing or None, or else keeps ``rule``."""
    return Rule(
        lambda v: v is None or rule.holds(v),
        f"{rule.words}, or None",
        lambda v: () if v is None else rule.parts(v),
        required=False,
    )


NUMBERS = list_of(NUMBER, 0, "a list of finite numbers")
