"""A log file on a full disk costs one line, however many lines are lost."""

import logging
from pathlib import Path

import pytest

from bag_of_transfer.engine.log_file import say_once_that_lines_are_lost


@pytest.fixture
def full_disk() -> logging.Logger:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full, which is always full")
    logger = logging.Logger("run")
    logger.addHandler(logging.FileHandler("/dev/full"))
    say_once_that_lines_are_lost(logger)
    return logger


def test_lost_lines_are_told_once(full_disk, capsys):
    for _ in range(3):
        full_disk.warning("a line")
    assert capsys.readouterr().err == "the log lacks lines: /dev/full: No space left on device\n"


def test_a_line_that_cannot_be_made_is_reported_as_ever(full_disk, capsys, monkeypatch):
    monkeypatch.setattr("logging.raiseExceptions", True)
    full_disk.warning("%d", "a word")
    assert "TypeError" in capsys.readouterr().err
