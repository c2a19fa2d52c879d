"""Names may hold anything: what a terminal would act upon is shown with escapes."""

import builtins
import functools
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from mmengine.logging import MMLogger, print_log

from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.config.process_setup import prepare_process
from bag_of_transfer.engine.printable import escaping_prints, printable

# Codes that clear the screen, name its window, go back, hide text, and turn the direction.
CODES = ["\x1b[2J", "\x1b]0;owned\x07", "a\rb", "\x1b[8m", "\u202eb", "\x9b2J", "\x00", "\x7f"]
HARMLESS = ["cat", "Zaunkönig", "猫", "a\tb", "two\nlines", "b_standard", "100 %", "naïve|`<b>"]


@pytest.mark.parametrize("code", CODES)
def test_codes_are_escaped_wherever_they_are_shown(
    code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_process()
    prepare_process()
    logger = MMLogger(f"named {code!r}", log_file=str(tmp_path / "log.txt"))

    def main(argv: Any) -> int:
        print("class", code, 5)
        print_log(f"class {code}", logger=logger)
        return 0

    before = print
    assert run_tool(main, []) == 0
    assert print is before
    for shown in (capsys.readouterr().out, (tmp_path / "log.txt").read_text()):
        assert code not in shown
        assert printable(code) in shown
    for handler in logger.handlers:
        handler.close()


@pytest.mark.parametrize("name", HARMLESS)
def test_other_names_are_shown_as_they_are(name: str) -> None:
    assert printable(name) == name


def test_a_failing_tool_leaves_print_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: Any) -> int:
        raise ValueError("\x1b[2J")

    before = print
    assert run_tool(main, []) == 1
    assert print is before
    assert "\x1b" not in capsys.readouterr().err


def test_arguments_of_a_log_line_are_filled_in_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    prepare_process()
    with caplog.at_level(logging.INFO), escaping_prints():
        logging.getLogger("any").info("%d of %s", 5, "\x1bsix")
        logging.getLogger("any").info("%(a)d", {"a": 5})
    assert caplog.messages == [r"5 of \x1bsix", "5"]


def test_paths_and_errors_in_log_lines_and_warnings_of_a_tool_are_escaped(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("a\x1b[8m")

    def main(argv: Any) -> int:
        prepare_process()
        logging.getLogger("any").warning("%s: %s", path, ValueError(f"no {path}"))
        logging.getLogger("any").warning(ValueError(f"no {path}"))
        sys.stdout.write(warnings.formatwarning(f"odd {path}", UserWarning, str(path), 1))
        return 0

    before = warnings.formatwarning
    assert run_tool(main, []) == 0
    assert warnings.formatwarning is before
    shown = "".join(caplog.messages) + capsys.readouterr().out
    assert shown.count(r"a\x1b[8m") == 5
    assert "\x1b" not in shown


def test_a_program_that_uses_the_toolkit_logs_in_colours(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_process()
    monkeypatch.setattr(builtins, "print", functools.wraps(print)(lambda *values: None))  # its own
    with caplog.at_level(logging.INFO):
        logging.getLogger("its").info("\x1b[32m%s\x1b[0m", "\x1b[1mdone")
        logging.getLogger("mmengine").info("\x1b[32m%s", "\x1b[1mdone")
    assert caplog.messages == ["\x1b[32m\x1b[1mdone\x1b[0m", r"\x1b[32m\x1b[1mdone"]
