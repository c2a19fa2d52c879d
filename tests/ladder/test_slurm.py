"""A ladder as SLURM arrays: a script that shells understand, run with a stand-in for sbatch."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bag_of_transfer.engine.atomic import replacing
from bag_of_transfer.engine.errors import RefusedError
from bag_of_transfer.ladder.plan.planning import plan
from bag_of_transfer.ladder.plan.spec import read_ladder
from bag_of_transfer.ladder.run import on_slurm, status
from tests.ladder.fake_ladder import ladder, until, use_fake_tools, write_ladder

# Both write their words, a line each, into a file of their own; sbatch answers as --parsable does.
SBATCH = """#!/bin/sh
n=$(ls "{0}" | wc -l)
printf '%s\\n' "$@" > "{0}/$n"
echo "$((100 + n));here"
"""
PYTHON = """#!/bin/sh
printf '%s\\n' "$@" > "{0}"
"""
LEVELS = [
    ["seed0/b/pretraining", "seed0/scratch/detection"],
    ["seed0/d/pretraining", "seed0/b/detection"],
    ["seed0/d/detection"],
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a ladder stands, with all that a shell might trip over in its name."""
    folder = tmp_path / "it's $HOME; a 'ladder'"
    folder.mkdir()
    use_fake_tools(folder, monkeypatch)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DATA_ROOT", "my data")
    return folder


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Submit a script to a stand-in for SLURM, and run what was submitted, job by job."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "bin").mkdir()
    for name, text in (("sbatch", SBATCH), ("python", PYTHON)):
        path = tmp_path / "bin" / name
        path.write_text(text.format(tmp_path / ("jobs" if name == "sbatch" else "called")))
        path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}

    def bash(*words, **more):
        done = subprocess.run(
            ["bash", *map(str, words)],
            env={**environment, **more},
            cwd="/",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit(script, *flags):
        bash("-n", script)
        bash(script, *flags)
        jobs = sorted((tmp_path / "jobs").iterdir(), key=lambda path: int(path.name))
        return [path.read_text().splitlines() for path in jobs]

    def run(job):
        *flags, script, level = job
        (array,) = (flag for flag in flags if flag.startswith("--array=0-"))
        codes = {}
        for index in range(int(array.removeprefix("--array=0-")) + 1):
            bash(script, level, SLURM_ARRAY_TASK_ID=str(index))
            _, *words = (tmp_path / "called").read_text().splitlines()
            codes[words[-1]] = ladder(*words)
        return codes

    submit.bash, submit.run = bash, run
    return submit


def words(config, root):
    cells = plan(read_ladder(config), root).cells
    return {key: now.word for key, now in status.survey(cells, "last").items()}


def test_the_arrays_run_a_whole_ladder(folder, cluster):
    config = write_ladder(folder)
    root = Path("my out %j")
    assert ladder(config, "--work-dir", root, "--slurm") == 0
    assert set(words(config, root).values()) == {"missing"}
    jobs = cluster(folder / root / "ladder.sbatch", "--partition=gpu", "--time=1:00:00")
    assert [list(cluster.run(job)) for job in jobs] == LEVELS
    assert set(words(config, root).values()) == {"done"}
    plan_written = json.loads((folder / root / "ladder.json").read_text())
    assert list(plan_written["rungs"]) == ["scratch", "b", "d"]


def test_each_level_waits_for_the_end_of_the_one_before(folder, cluster):
    ladder(write_ladder(folder), "--work-dir", "out", "--slurm")
    first, second, third = cluster(folder / "out/ladder.sbatch", "--partition=gpu")
    assert not [word for word in first if "--dependency" in word]
    assert "--dependency=afterany:100" in second
    assert "--dependency=afterany:101" in third
    assert "--partition=gpu" in first
    assert f"--output={folder}/out/slurm/%x_%A_%a.log" in first
    assert (folder / "out/slurm").is_dir()  # SLURM makes no folders for logs


def test_a_job_gets_data_seeds_and_folder_of_the_call(folder, cluster, tmp_path):
    ladder(write_ladder(folder), "--work-dir", "out", "--seeds", "4", "5", "--slurm", "s.sbatch")
    text = (folder / "s.sbatch").read_text()
    show = 'printf "%s|" "$PWD" "$DATA_ROOT"\n'
    (folder / "s.sbatch").write_text(text.replace("    exec", f"    {show}    exec"))
    output = cluster.bash(folder / "s.sbatch", "1", SLURM_ARRAY_TASK_ID="2")
    assert output == f"{folder}|my data|"
    tool, *called = (tmp_path / "called").read_text().splitlines()
    assert tool.endswith("tools/ladder.py")
    cell = ["--cell", "seed5/d/pretraining"]
    assert called == [f"{folder}/mine.py", "--work-dir", "out", "--seeds", "4", "5", *cell]


def test_a_failed_cell_costs_its_own_line_only(folder, cluster, capsys):
    rungs = "scratch=None, bad=dict(config='{0}/fails.py'), b=dict(config='{0}/b.py')"
    config = write_ladder(folder, rungs)
    ladder(config, "--work-dir", "out", "--slurm")
    codes = {}
    for job in cluster(folder / "out/ladder.sbatch"):
        codes.update(cluster.run(job))
    assert {key for key, code in codes.items() if code} == {
        "seed0/bad/pretraining",
        "seed0/bad/detection",
    }
    assert set(codes.values()) == {0, 2}
    assert "the cell needs seed0/bad/pretraining, which is not done" in capsys.readouterr().err
    assert words(config, Path("out"))["seed0/b/detection"] == "done"


def test_only_what_is_not_done_is_listed(folder, cluster):
    config = write_ladder(folder)
    assert ladder(config, "--work-dir", "out", "--cell", "seed0/b/pretraining") == 0
    ladder(config, "--work-dir", "out", "--slurm")
    jobs = cluster(folder / "out/ladder.sbatch")
    listed = [list(cluster.run(job)) for job in jobs]
    assert listed == [
        ["seed0/d/pretraining", "seed0/scratch/detection", "seed0/b/detection"],
        ["seed0/d/detection"],
    ]
    assert ladder(config, "--work-dir", "out", "--slurm", "second.sbatch") == 0
    assert not Path("second.sbatch").exists()


def test_a_script_that_is_there_stays(folder, capsys):
    config = write_ladder(folder)
    Path("mine.sbatch").write_text("mine")
    assert ladder(config, "--work-dir", "out", "--slurm", "mine.sbatch") == 3
    assert "mine.sbatch" in capsys.readouterr().err
    assert Path("mine.sbatch").read_text() == "mine"
    assert not Path("out").exists()
    with pytest.raises(RefusedError):
        on_slurm.write_script(Path("mine.sbatch"), Path("out"), [["a"]], ["python"])


# ---- several --cell at once ----


def in_a_process(*argv):
    process = multiprocessing.get_context("fork").Process(
        target=lambda: os._exit(ladder(*argv))  # not to end pytest twice
    )
    process.start()
    return process


def test_one_cell_is_run_by_one_process_and_others_beside_it(folder, capfd):
    config = write_ladder(folder, "scratch=None, b=dict(config='{0}/slow.py')")
    call = (config, "--work-dir", "out", "--cell", "seed0/b/pretraining")
    other = in_a_process(*call)
    epochs = Path("out/seed0/b/pretraining/epochs")
    until(lambda: epochs.exists() and epochs.read_text() == "xx")
    try:
        assert ladder(*call) == 3
        assert f"process number {other.pid}" in capfd.readouterr().err
        assert ladder(*call[:-1], "seed0/scratch/detection") == 0
        assert ladder(*call[:-2]) == 3  # the whole ladder waits for all
        assert epochs.read_text() == "xx"
    finally:
        other.terminate()
        other.join()
    assert other.exitcode == 128 + signal.SIGTERM
    assert words(config, Path("out"))["seed0/b/pretraining"] == "cut off"
    assert ladder(*call) == 0
    assert epochs.read_text() == "xx"  # gone on with, not begun anew


def test_files_of_the_whole_ladder_may_be_written_by_many(tmp_path):
    file = tmp_path / "ladder.json"
    with replacing(file) as one, replacing(file) as another:
        assert one != another  # as they might be, with equal numbers on two machines
        one.write_text("{}")
        another.write_text("{}")
    assert file.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [file]
