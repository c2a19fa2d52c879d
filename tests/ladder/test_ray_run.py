"""A ladder on a Ray cluster of two nodes, which is made here; and what a cell gets of a node."""

import importlib.util
import json
import multiprocessing
import os
import re
import signal
import sys

import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.run import command
from bag_of_transfer.ladder.run.lock import locked
from bag_of_transfer.ladder.run.on_ray import Share, share_of_a_cell
from tests.ladder.fake_ladder import gone, ladder, until, use_fake_tools, write_ladder

# What `tools/ladder.py ... --cell KEY` is to a driver: records, exit codes, errors on stderr.
CELL = """
import json, os, pathlib, signal, sys, time
after = lambda flag: sys.argv[sys.argv.index(flag) + 1]
folder = pathlib.Path(after("--work-dir"), after("--cell"))
folder.mkdir(parents=True, exist_ok=True)
with open(folder / "begun", "a") as begun:
    begun.write(f"{os.getpid()} {sorted(os.sched_getaffinity(0))} {os.environ['DATA_ROOT']}\\n")
def end(status, reason=None):
    (folder / "cell.json").write_text(json.dumps(dict(status=status, reason=reason)))
if "bad" in after("--cell"):
    end("failed", "no such data: there: put it there")
    print("error: 1 cells failed: no such data", file=sys.stderr)
    sys.exit(2)
if "slow" in after("--cell"):
    def stop(*_):
        (folder / "stopped").write_text("")
        sys.exit(143)
    signal.signal(signal.SIGTERM, stop)
    time.sleep(600)
time.sleep(0.5)  # the other node is to get some, too
end("done")
"""


# ---- without a cluster ----


@pytest.mark.parametrize(
    ("nodes", "asked", "share"),
    [
        ([(8, 0), (8, 0)], {}, Share(8, 0)),  # a node each
        ([(4, 0), (8, 0)], {}, Share(4, 0)),
        ([(32, 4), (64, 8)], {}, Share(8, 1)),  # a GPU each, with its cores
        ([(32, 4), (16, 0)], {}, Share(8, 1)),  # a node without GPU runs none
        ([(32, 4)], dict(gpus=2), Share(16, 2)),
        ([(32, 4)], dict(gpus=0.5), Share(4, 0.5)),
        ([(32, 4), (16, 0)], dict(gpus=0), Share(16, 0)),
        ([(2, 4)], {}, Share(1, 1)),
        ([(8, 0), (0, 0)], dict(cpus=2), Share(2, 0)),  # a first node that runs nothing
    ],
)
def test_a_cell_gets_its_share_of_a_node(nodes, asked, share):
    assert share_of_a_cell([dict(CPU=c, GPU=g) for c, g in nodes], **asked) == share


@pytest.mark.parametrize(
    "asked",
    [
        *(dict(cpus=9), dict(gpus=1), dict(cpus=0), dict(gpus=1.5)),
        *(dict(gpus=float("inf")), dict(gpus=float("nan"))),
    ],
)
def test_more_than_a_node_has_is_refused_at_once(asked):
    with pytest.raises(UserError, match="-per-cell"):
        share_of_a_cell([dict(CPU=8.0)], **asked)


def test_without_ray_the_way_to_it_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert ladder(write_ladder(tmp_path), "--work-dir", tmp_path / "out", "--ray") == 2
    error = capsys.readouterr().err.splitlines()[0]
    assert error.startswith("error: Ray is not installed: --ray: pip install ray")
    assert not list((tmp_path / "out").glob("[!.]*"))


def test_ray_and_the_flags_of_this_machine_exclude_each_other(tmp_path, capsys):
    config = write_ladder(tmp_path)
    assert ladder(config, "--ray", "--gpus", "0") == 2
    assert "--gpus-per-cell" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        ladder(config, "--ray", "--slurm")


# ---- with one ----


# Ray's threads do not outlive a fork, and cells of other tests are forks of this process: so it
# never imports Ray; the cluster and each driver have a process of their own.


def in_a_process(function, *argv):
    def run():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
        code = function(*argv)
        sys.stdout.flush()
        os._exit(code or 0)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process


@pytest.fixture(scope="module")
def cluster():
    """The address of two nodes of one core each on this machine."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install ray")
    ours, theirs = multiprocessing.Pipe()
    keeper = in_a_process(keep_cluster, theirs)
    assert ours.poll(180), "the cluster did not start"
    yield ours.recv()
    ours.send("enough")
    keeper.join(60)
    keeper.kill()


def keep_cluster(pipe):
    os.environ.update(RAY_USAGE_STATS_ENABLED="0")
    os.setpgid(0, 0)  # so that pytest's Ctrl-C does not reach it before it is told
    from ray.cluster_utils import Cluster

    node = dict(num_cpus=1, num_gpus=0, object_store_memory=80 * 2**20)
    made = Cluster(initialize_head=True, head_node_args=dict(**node, include_dashboard=False))
    made.add_node(**node)
    pipe.send(made.address)
    try:
        pipe.recv()
    finally:  # pytest may have ended without a word
        made.shutdown()


def drive(*argv):
    """Call the ladder's tool in a process of its own; returns the exit code."""
    process = in_a_process(ladder, *argv)
    process.join()
    return process.exitcode


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a ladder stands whose cells are run by CELL."""
    (tmp_path / "cell.py").write_text(CELL)
    monkeypatch.setattr(command, "TOOL", tmp_path / "cell.py")
    monkeypatch.setattr(command, "_summarise", lambda *args: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_ROOT", "my data")
    use_fake_tools(tmp_path, monkeypatch)
    return tmp_path


def begun(folder):
    return {
        str(path.parent.relative_to(folder / "out")): path.stat().st_mtime
        for path in (folder / "out").glob("seed*/*/*/begun")
    }


def test_both_nodes_run_cells_and_what_is_needed_comes_first(cluster, folder, capfd):
    config = write_ladder(folder, seeds="[0, 1]")
    assert drive(config, "--work-dir", "out", "--ray", cluster) == 0
    ended = {
        str(path.parent.relative_to(folder / "out")): path.stat().st_mtime
        for path in (folder / "out").glob("seed*/*/*/cell.json")
    }
    assert len(ended) == 2 * 5
    started = begun(folder)
    for seed in (0, 1):
        b, d = (f"seed{seed}/{rung}/pretraining" for rung in "bd")
        assert ended[b] <= started[d]
        assert ended[d] <= started[f"seed{seed}/d/detection"]
    logs = [path.read_text() for path in (folder / "out/ray").glob("*.log")]
    nodes = {node for log in logs for node in re.findall(r"Ray node (\w+)", log)}
    assert (len(logs), len(nodes)) == (10, 2)
    told = capfd.readouterr().out
    assert "2 nodes; a cell gets 1 core" in told
    assert all(f"Ray node {node}" in told for node in nodes)
    assert (folder / "out/seed0/b/detection/begun").read_text().split()[-2:] == ["my", "data"]
    assert not list((folder / "out").glob(".marker-*"))


def test_a_failing_cell_is_told_and_what_needs_it_skipped(cluster, folder, capfd):
    rungs = "bad=dict(config='{0}/b.py'), b=dict(config='{0}/b.py')"
    assert drive(write_ladder(folder, rungs), "--work-dir", "out", "--ray", cluster) == 2
    told = capfd.readouterr()
    assert told.err.startswith("error: 1 cell failed, 1 that need them were left out: ")
    assert "no such data: there: put it there" in told.err
    assert "seed0/bad/pretraining: 1 cells failed: no such data (on " in told.out
    assert set(begun(folder)) == {
        *("seed0/bad/pretraining", "seed0/b/pretraining", "seed0/b/detection")
    }
    record = json.loads((folder / "out/seed0/bad/pretraining/cell.json").read_text())
    assert record["status"] == "failed"


SLOW = "scratch=None, slow=dict(config='{0}/b.py')"


def pid_of(path):
    return int(path.read_text().split()[0])


def test_time_over_ends_the_cells_wherever_they_run(cluster, folder):
    config = write_ladder(folder, SLOW)
    flags = ("--work-dir", "out", "--ray", cluster, "--max-minutes", 10 / 60)
    assert drive(config, *flags) == 75
    slow = folder / "out/seed0/slow/pretraining/begun"
    until(lambda: gone(pid_of(slow)))
    assert slow.with_name("stopped").exists()  # it was asked to, not killed
    assert (folder / "out/seed0/scratch/detection/cell.json").exists()
    with locked(folder / "out/.lock"):
        pass  # nobody holds it any more


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_ladder_leaves_no_cell_running(cluster, folder, how):
    argv = (write_ladder(folder, SLOW), "--work-dir", "out", "--ray", cluster)
    driver = in_a_process(ladder, *argv)
    slow = folder / "out/seed0/slow/pretraining/begun"
    until(slow.exists)
    assert ladder(*argv[:3]) == 3
    with locked(folder / "out/.lock", shared=True):
        pass  # a second ladder is refused, its cells are not
    os.kill(driver.pid, how)
    driver.join()
    assert driver.exitcode == {signal.SIGKILL: -signal.SIGKILL}.get(how, 128 + how)
    until(lambda: gone(pid_of(slow)))


def test_a_node_that_does_not_see_the_folder_is_named(cluster, folder, monkeypatch, capfd):
    monkeypatch.setattr(command, "TOOL", folder / "nowhere/ladder.py")
    assert drive(write_ladder(folder), "--work-dir", "out", "--ray", cluster) == 2
    error = capfd.readouterr().err.splitlines()[0]
    assert re.match(
        rf"error: node \S+ \(\w+\) does not see this path: {folder}/nowhere/ladder\.py",
        error,
    )
    assert not begun(folder)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "here"])
def test_a_cluster_that_is_not_there(cluster, folder, capfd, address):
    assert drive(write_ladder(folder), "--work-dir", "out", "--ray", address) == 2
    error = capfd.readouterr().err.splitlines()[0]
    assert error.startswith("error: cannot connect to a Ray cluster (")
    assert error.endswith("ray start --address=HOST:6379")
    assert f": --ray {address}: " in error
    assert not list((folder / "out").glob("[!.]*"))


def test_more_gpus_than_there_are(cluster, folder, capfd):
    flags = ("--work-dir", "out", "--ray", cluster, "--gpus-per-cell", "1")
    assert drive(write_ladder(folder), *flags) == 2
    assert "no node has" in capfd.readouterr().err
