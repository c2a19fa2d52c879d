"""Tools in processes of their own: forked, or begun anew where a GPU forbids a fork."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bag_of_transfer.ladder.run import tool_process
from tests.ladder.fake_ladder import gone, until

TOOL = """
import os, signal, sys, time
print(os.getpid(), os.getppid(), *sys.argv[1:])
if "ignored" in sys.argv and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    sys.exit("SIGINT is ignored")
print("error: what: where: mend", file=sys.stderr)
print("error: second", file=sys.stderr)
if "ends" in sys.argv:
    print("terminated: go on with --resume", file=sys.stderr)
if "waits" in sys.argv:
    time.sleep(60)
if "dies" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(7)
"""


@pytest.fixture(params=[False, True], ids=["fork", "anew"], autouse=True)
def anew(request, tmp_path, monkeypatch):
    (tmp_path / "tool.py").write_text(TOOL)
    monkeypatch.setattr(tool_process, "ROOT", tmp_path)
    monkeypatch.setattr(tool_process, "starts_anew", lambda: request.param)
    return request.param


def test_code_and_first_error_come_back(capfd):
    assert tool_process.run_tool(("tool.py", "a b", "--flag")) == (7, "what: where: mend")
    output = capfd.readouterr()
    assert output.out.splitlines()[1].split(maxsplit=2)[1:] == [str(os.getpid()), "a b --flag"]
    assert output.err.splitlines() == ["error: what: where: mend", "error: second"]


def test_a_killed_tool_tells_the_signal():
    assert tool_process.run_tool(("tool.py", "dies"))[0] == -signal.SIGKILL


@pytest.mark.parametrize("tells_end", [False, True])
def test_the_line_of_an_interrupted_tool_is_held_back_where_a_ladder_has_its_own(capfd, tells_end):
    assert tool_process.run_tool(("tool.py", "ends"), tells_end=tells_end)[0] == 7
    told = capfd.readouterr().err.splitlines()[2:]
    assert told == (["terminated: go on with --resume"] if tells_end else [])


def test_ctrl_c_reaches_a_tool_whose_caller_ignores_it():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert tool_process.run_tool(("tool.py", "ignored"))[0] == 7
    finally:
        signal.signal(signal.SIGINT, before)


def test_all_it_says_may_go_to_a_file(tmp_path, capfd):
    log = tmp_path / "logs/log.txt"
    tool_process.run_quietly(("tool.py", "quiet"), log)
    assert log.read_text().count("error: ") == 2
    assert log.read_text().count("quiet") == 1
    assert "quiet" not in capfd.readouterr().out


# torch takes seconds to import, and only the replaced `starts_anew` needs it.
CALLER = """
import sys, types
sys.modules["torch"] = types.ModuleType("torch")
sys.path.insert(0, {root!r})
from pathlib import Path
from bag_of_transfer.ladder.run import tool_process
tool_process.ROOT, tool_process.starts_anew = Path({tools!r}), lambda: {anew}
tool_process.run_tool(("tool.py", "waits"))
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_tool_ends_with_its_caller(tmp_path, anew, how):
    root = Path(__file__).resolve().parents[2]
    script = CALLER.format(root=str(root), tools=str(tmp_path), anew=anew)
    words = [sys.executable, "-u", "-c", script]
    caller = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert caller.stdout is not None
    lines = [caller.stdout.readline(), caller.stdout.readline()]
    caller.send_signal(how)
    caller.wait(30)
    caller.stdout.close()
    until(lambda: gone(int(lines[1].split()[0])))


def test_no_gpu_no_new_beginning(monkeypatch):
    monkeypatch.undo()
    for available in (True, False):
        tool_process.starts_anew.cache_clear()
        monkeypatch.setattr("torch.cuda.is_available", lambda value=available: value)
        assert tool_process.starts_anew() is available
    tool_process.starts_anew.cache_clear()
