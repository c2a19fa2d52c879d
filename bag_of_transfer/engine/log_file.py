"""What becomes of a run whose log file cannot be written any more, as on a full disk."""

import logging
import sys

__all__ = ["say_once_that_lines_are_lost"]


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
