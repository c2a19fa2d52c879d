"""Warnings in mmengine's log, what of it the screen shows, and its file on a full disk."""

import logging
import sys

from mmengine.logging import print_log

from bag_of_transfer.engine.bars import console_handlers

__all__ = ["hush", "say_once_that_lines_are_lost", "warn"]

# First words of the messages that mmengine writes about its internals.
HUSHED = (
    "Config:",
    "Hooks will be executed",
    "Distributed training is not used",
    "paramwise_options",
    "The prefix is not set in metric class",
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    "Checkpoints will be saved",
    "Saving checkpoint",
    "Exp name:",
    "Load checkpoint from",
    "Using env variable",
)


class _Hush(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().lstrip().startswith(HUSHED)


def warn(message: str) -> None:
    """Write a warning to the log."""
    print_log(message, logger="current", level=logging.WARNING)


HUSH = _Hush()  # the one that a handler has, however often it is added


def hush(logger: logging.Logger) -> None:
    """Keep mmengine's messages about its internals off the screen; the log file has them."""
    for handler in console_handlers(logger):
        handler.addFilter(HUSH)


def say_once_that_lines_are_lost(logger: logging.Logger) -> None:
    """Let a log file that cannot be written cost a line on stderr, not a traceback for each line.

    The run goes on: its checkpoints and its curve say by themselves whether they were written.

    Args:
        logger: Its handlers that write to files are changed.
    """
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            _replace_report(handler)


def _replace_report(handler: logging.FileHandler) -> None:
    is_said = False

    def report(record: logging.LogRecord) -> None:
        nonlocal is_said
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            logging.FileHandler.handleError(handler, record)
        elif not is_said:
            is_said = True
            sys.stderr.write(f"the log lacks lines: {handler.baseFilename}: {error.strerror}\n")

    handler.handleError = report  # type: ignore[method-assign]
