"""Bars and plain lines of one long step."""

import contextlib
import io
import logging
import re
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from mmengine.logging import MMLogger

from bag_of_transfer.engine import bars
from bag_of_transfer.engine.bars import Step, on_terminal, stop_bars, track


class Clock:
    """Seconds that pass when the test says so."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(bars, "time", made)
    return made


@contextlib.contextmanager
def terminal() -> Iterator[io.StringIO]:
    """A stdout that says it is a terminal (in the test's body: pytest sets its own before)."""
    screen = io.StringIO()
    screen.isatty = lambda: True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        patch.setenv("TERM", "xterm")
        yield screen
        stop_bars()


def last_line(screen: io.StringIO) -> str:
    return re.sub(r"\x1b\[[\d?]*[a-zA-Z]", "", screen.getvalue().splitlines()[-1])


def passing(clock: Clock, seconds: list[float]) -> Iterator[float]:
    for one in seconds:
        clock.now += one
        yield one


def test_items_pass_through_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter("abc"), "reading", total=3)) == ["a", "b", "c"]
    assert list(track([], "reading")) == []
    assert "reading | 0/0" in capsys.readouterr().out


def test_without_a_terminal_a_line_at_start_end_and_every_ten_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    list(track(passing(clock, [4.0] * 8), "reading", total=8))
    assert capsys.readouterr().out.splitlines() == [
        "reading | 0/8",
        "reading | 3/8 | 0.25/s | left 20 s",  # seen at 12 s, 4 s each
        "reading | 6/8 | 0.25/s | left 8 s",
        "reading | 8/8 | 0.25/s | took 32 s",
    ]


def test_an_unknown_length_shows_count_and_rate(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    list(track(passing(clock, [0.5, 0.5]), "reading"))
    assert capsys.readouterr().out.splitlines() == ["reading | 0", "reading | 2 | 2/s"]


def test_a_length_that_the_sequence_knows_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    list(track([1, 2, 3], "reading"))
    assert "reading | 3/3" in capsys.readouterr().out


def test_a_loop_that_breaks_or_fails_claims_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    loop = track(range(9), "reading")
    next(loop)
    loop.close()
    assert capsys.readouterr().out.splitlines() == ["reading | 0/9"]


def test_other_ranks_are_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bars, "is_main_process", lambda: False)
    assert list(track(range(3), "reading")) == [0, 1, 2]
    assert capsys.readouterr().out == ""


def test_a_bar_is_drawn_and_one_line_stays() -> None:
    with terminal() as screen:
        for _ in track(range(3), "reading"):
            pass
        assert "\x1b[" in screen.getvalue()  # the bar
        assert last_line(screen).startswith("reading | 3/3 | ")


def test_stdout_and_the_logs_are_given_back() -> None:
    with terminal() as screen:
        logger = MMLogger.get_instance("bars-test")
        (handler,) = bars.console_handlers(logger)
        assert handler.stream is screen
        step = Step("reading", 3)
        assert sys.stdout is not screen  # rich's, which writes above the bar
        assert handler.stream is sys.stdout
        logger.warning("written above the bar")
        step.close()
        assert sys.stdout is screen
        assert handler.stream is screen
        assert "written above the bar" in screen.getvalue()


def test_a_step_inside_a_step_shares_the_display() -> None:
    with terminal() as screen:
        outer = Step("outer", 2)
        assert list(track(range(3), "inner")) == [0, 1, 2]
        assert sys.stdout is not screen  # the outer one goes on
        outer.show("half")
        outer.end("done")
        assert sys.stdout is screen
        assert last_line(screen) == "outer | 0/2 | done"
        assert "inner | 3/3" in screen.getvalue()


def test_bars_can_be_stopped_from_outside_before_an_error_is_told() -> None:
    with terminal() as screen:
        loop = track(range(9), "reading")
        next(loop)
        assert sys.stdout is not screen
        stop_bars()
        stop_bars()
        assert sys.stdout is screen
        again = Step("again", 2)
        loop.close()  # knows that its display is gone
        assert sys.stdout is not screen
        again.close()
        assert sys.stdout is screen


@pytest.mark.parametrize(
    ("isatty", "term", "expected"),
    [(True, "xterm", True), (True, "dumb", False), (True, "", False), (False, "xterm", False)],
)
def test_what_counts_as_a_terminal(
    monkeypatch: pytest.MonkeyPatch, isatty: bool, term: str, expected: bool
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # CI sets it where nothing can be redrawn
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: isatty))
    assert on_terminal() is expected


def test_a_log_file_is_no_console(tmp_path) -> None:
    logger = logging.Logger("test")
    logger.addHandler(logging.FileHandler(tmp_path / "log"))
    logger.addHandler(logging.StreamHandler(sys.stderr))
    assert [type(one) for one in bars.console_handlers(logger)] == [logging.StreamHandler]
