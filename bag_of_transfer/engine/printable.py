"""Show names as they are, but for what a terminal would act upon: it is escaped in one place.

Names of classes, files and rungs may hold anything, such as codes that clear the screen.
"""

import builtins
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any

__all__ = ["escape_records", "escaping_prints", "printable"]

KEPT = "\n\t"
MMENGINE = "mmengine"  # the name of all its loggers
_now = SimpleNamespace(escaping=False)


def printable(text: str, kept: str = KEPT) -> str:
    """Return text with escapes for all but letters, signs, blanks, and what is ``kept``.

    Args:
        text: Any text.
        kept: Other characters that stay: tabs and ends of lines, unless stated.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept else ascii(c)[1:-1] for c in text)


@contextmanager
def escaping_prints() -> Iterator[None]:
    """Escape what is printed or warned of in this context, and what is logged.

    Bars, which move the cursor, do not use ``print``.
    """
    before, was_escaping, formatwarning = builtins.print, _now.escaping, warnings.formatwarning

    @wraps(before)  # libraries that list the builtins ask for its name and module
    def escaped(*values: Any, **how: Any) -> None:
        before(*(printable(str(value)) for value in values), **how)

    def escaped_warning(*what: Any, **more: Any) -> str:
        return printable(formatwarning(*what, **more))

    builtins.print, _now.escaping, warnings.formatwarning = escaped, True, escaped_warning
    try:
        yield
    finally:
        builtins.print, _now.escaping, warnings.formatwarning = before, was_escaping, formatwarning


def escape_records() -> None:
    """Escape what mmengine's loggers say from now on; a second call changes nothing.

    What others say, such as the program that predicts with this toolkit, is escaped only within
    :func:`escaping_prints`: while a tool runs.
    """
    before = logging.getLogRecordFactory()
    if getattr(before, "func", None) is not _record:
        logging.setLogRecordFactory(partial(_record, before))


def _record(before: Any, *arguments: Any, **more: Any) -> logging.LogRecord:
    record: logging.LogRecord = before(*arguments, **more)
    if record.name != MMENGINE and not _now.escaping:
        return record
    record.msg = _shown(record.msg)
    if isinstance(record.args, tuple):
        record.args = tuple(map(_shown, record.args))
    return record


def _shown(value: Any) -> Any:
    if not isinstance(value, str | os.PathLike | BaseException):
        return value
    text = printable(str(value))
    return value if text == str(value) else text
