"""What happens on a node of a Ray cluster, tried without one."""

import multiprocessing
import os
import re
import signal
import sys

import pytest

from bag_of_transfer.ladder.run import ray_task
from tests.ladder.fake_ladder import gone, until


def test_a_node_names_the_file_it_does_not_see(tmp_path):
    marker, other = str(tmp_path / "marker"), str(tmp_path / "other")
    assert ray_task.look(marker, "7", []) == marker
    (tmp_path / "marker").write_text("7")
    assert ray_task.look(marker, "7", [str(tmp_path)]) == ""
    assert ray_task.look(marker, "7", [str(tmp_path), other]) == other
    assert ray_task.look(marker, "8", []) == marker  # of another ladder, under the same name


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Run Python as a task would, in ``tmp_path``."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def run(text, **more):
        kept = dict(folder=str(tmp_path), data_root="mine", log=str(tmp_path / "ray/a.log"))
        return ray_task.run_there(
            (sys.executable, "-S", "-c", text), node="0123456789", **{**kept, **more}
        )

    return lambda text, num_cores=1, stop_s=60: run(text, num_cores=num_cores, stop_s=stop_s)


def test_a_task_tells_code_reason_and_place(there, tmp_path):
    code = "import sys; print('error: one\\nerror: two', file=sys.stderr); sys.exit(3)"
    report = there(code)
    assert (report["code"], report["reason"]) == (3, "two")
    assert report["node"].endswith("Ray node 01234567")
    there("import os; print(os.environ['DATA_ROOT'], os.getcwd())")
    log = (tmp_path / "ray/a.log").read_text()
    assert log.count(", Ray node 01234567") == 2  # a later run is added
    assert f"mine {tmp_path}" in log
    assert there("pass")["reason"] == ""  # that of an earlier run is not told again


def test_neighbours_get_other_cores(there, tmp_path):
    cores = sorted(os.sched_getaffinity(0))
    say = "import os; print('has', sorted(os.sched_getaffinity(0)))"
    there(say)
    with ray_task._claimed(1) as taken:
        there(say)
    has = re.findall(r"has \[(.*)\]", (tmp_path / "ray/a.log").read_text())
    assert taken == cores[:1]
    assert has[0] == str(cores[0])
    assert has[1] == (str(cores[1]) if len(cores) > 1 else str(cores[0]))


def test_an_interrupted_task_ends_its_process_even_if_it_will_not(there, tmp_path):
    pid = tmp_path / "pid"
    text = f"""
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(pid)!r} + "t").write_text(str(os.getpid()))
os.rename({str(pid)!r} + "t", {str(pid)!r})
time.sleep(600)
"""

    def task():
        signal.signal(signal.SIGUSR1, signal.default_int_handler)
        there(text, stop_s=0.2)

    process = multiprocessing.get_context("fork").Process(target=task)
    process.start()
    until(pid.exists)
    os.kill(process.pid, signal.SIGUSR1)
    process.join()
    until(lambda: gone(int(pid.read_text())))
