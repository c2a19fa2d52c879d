"""Exit codes and the one line that a user's mistake is told in."""

import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils.data import DataLoader

from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.config.tool_flags import training_parser
from bag_of_transfer.engine.errors import RefusedError, UserError

ROOT = Path(__file__).resolve().parents[2]


def failing_with(error):
    def main(argv):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("what", "where", "mend"), 2),
        (RefusedError("what", "where", "mend"), 3),
        (RuntimeError("broken"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_code_follows_the_contract(error, code):
    assert run_tool(failing_with(error), []) == code


def test_first_line_on_stderr_names_what_where_and_mend(capsys):
    run_tool(failing_with(UserError("no such file", "a/b.py", "check the path")), [])
    assert capsys.readouterr().err.splitlines()[0] == "error: no such file: a/b.py: check the path"


def test_a_user_error_behind_a_library_error_is_found(capsys):
    def main(argv):
        try:
            raise UserError("bad label", "mask.png", "use 0 to 5")
        except UserError as error:
            raise TypeError("class `X` in registry: bad label") from error

    assert run_tool(main, []) == 2
    assert capsys.readouterr().err.startswith("error: bad label: mask.png")


class Damaged(list):
    def __getitem__(self, index):
        raise UserError("the image can't be read", "a/b: c.jpg", "mend it")


def test_a_user_error_from_a_loaders_worker_is_found(capsys):
    assert run_tool(lambda argv: next(iter(DataLoader(Damaged([0]), num_workers=1))), []) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "error: the image can't be read: a/b: c.jpg: mend it"


def test_debug_lets_the_traceback_through():
    with pytest.raises(UserError):
        run_tool(failing_with(UserError("what", "where", "mend")), ["--debug"])


def test_resume_without_a_path_means_auto():
    args = training_parser("d", "e").parse_args([__file__, "--resume"])
    assert args.resume == "auto"


def test_a_wrong_flag_is_told_on_the_first_line(capsys):
    with pytest.raises(SystemExit) as stop:
        training_parser("d", "e").parse_args(["c.py", "--ressume"])
    assert stop.value.code == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("error: ")
    assert "--ressume" in first


def test_help_ends_in_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        training_parser("d", "python tools/x.py").parse_args(["-h"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.rstrip().endswith("python tools/x.py")


HEAD = """
import sys
from bag_of_transfer.engine.cli import run_tool
sys.exit(run_tool(lambda argv: [print("line", i) for i in range(100_000)] and 0, []))
"""


def test_a_reader_that_goes_away_ends_the_tool_quietly(tmp_path):
    with (tmp_path / "err").open("wb") as err:
        tool = subprocess.Popen(
            [sys.executable, "-c", HEAD], stdout=subprocess.PIPE, stderr=err, cwd=ROOT
        )
        tool.stdout.readline()
        tool.stdout.close()
        assert tool.wait() == 141
    assert (tmp_path / "err").read_text() == ""


def test_a_name_that_is_not_utf_8_is_printed_with_escapes(tmp_path):
    code = HEAD.replace('"line", i) for i in range(100_000)', "'na\\udce9') for i in range(1)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert done.stdout == b"na\\udce9\n"


@pytest.mark.parametrize(
    ("file", "code"),
    [(run_tool.__code__.co_filename, 2), (__file__, 1), ("/elsewhere/users.py", 1)],
)
def test_a_python_without_our_packages_is_told_which_one_lacks(capsys, file, code):
    importing = compile("import lacking.inner", file, "exec")
    assert run_tool(lambda argv: exec(importing), []) == code
    error = capsys.readouterr().err
    told = f"error: the package lacking is not installed for this Python: {sys.executable}: make"
    assert error.startswith(told if code == 2 else "error: internal failure: ModuleNotFoundError")
