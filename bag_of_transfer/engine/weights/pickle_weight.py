"""Weigh a pickle before it is read: a few lines may describe more than fits into memory or time.

A tuple may hold another one twice, and so on: sixty steps make 2**60 parts that need no memory, but
to hash or to compare the tuple takes for ever.  And torch lets a pickle call ``bytearray`` and
tensors with a number, for as many zeros.  The opcodes are followed without building anything.
"""

import pickletools
from collections.abc import Iterable
from typing import IO, Any, NamedTuple

__all__ = ["is_bomb"]

MAX_PARTS = 1_000_000  # of one tuple; a tensor's are a few dozen
MAX_NUMBER = 1 << 24  # that a class of these names is called with
CLASSES = ("bytearray", "Tensor", "Storage")
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
GETS = {"GET", "BINGET", "LONG_BINGET"}
CALLS = {"REDUCE", "NEWOBJ"}


class _Value(NamedTuple):
    """What is known of a value: its parts, the largest number in it, and the class that it is."""

    parts: int = 1
    number: int = 0
    name: str = ""


ANY, MARK = _Value(), _Value(-1)


def is_bomb(stream: IO[bytes]) -> bool:
    """Return whether the next pickle of a stream holds a tuple of a million parts, or more zeros.

    Broken opcodes are left to whoever reads the pickle.
    """
    follower = _Follower()
    try:
        return any(follower.follow(code, argument) for code, argument, _ in _opcodes(stream))
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError):
        return False


def _opcodes(stream: IO[bytes]) -> Iterable[tuple[Any, Any, Any]]:
    return pickletools.genops(stream)


class _Follower:
    def __init__(self) -> None:
        self._stack: list[_Value] = []
        self._memo: dict[int, _Value] = {}

    def follow(self, code: Any, argument: Any) -> bool:
        """Do what an opcode does to the stack, and return whether that is a bomb."""
        stack = self._stack
        if code.name in PUTS:
            self._memo[len(self._memo) if argument is None else int(argument)] = stack[-1]
        elif code.name in GETS:
            stack.append(self._memo[int(argument)])
        elif code.name == "DUP":
            stack.append(stack[-1])
        elif code.name == "MARK":
            stack.append(MARK)
        elif code.name == "TUPLE" or code.name in TUPLES:
            tuple_ = _joined(self._taken(TUPLES.get(code.name)))
            stack.append(tuple_)
            return tuple_.parts > MAX_PARTS
        elif code.name in CALLS:
            given, called = stack.pop(), stack.pop()
            stack.append(ANY)
            return called.name.endswith(CLASSES) and given.number > MAX_NUMBER
        else:
            self._other(code, argument)
        return False

    def _other(self, code: Any, argument: Any) -> None:
        names = [part.name for part in code.stack_before]
        if "mark" in names:
            self._taken(None)
            names = names[: names.index("mark")]
        self._taken(len(names))
        name = argument if code.name == "GLOBAL" else ""
        number = argument if isinstance(argument, int) else 0
        self._stack += [_Value(1, number, name)] * len(code.stack_after)

    def _taken(self, count: int | None) -> list[_Value]:
        """Take so many values from the stack; None: those down to the mark."""
        if count is not None:
            return [self._stack.pop() for _ in range(count)]
        values = []
        while (value := self._stack.pop()) is not MARK:
            values.append(value)
        return values


def _joined(values: list[_Value]) -> _Value:
    numbers = (value.number for value in values)
    return _Value(1 + sum(value.parts for value in values), max(numbers, default=0))
