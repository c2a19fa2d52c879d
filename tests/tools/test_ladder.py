"""tools/ladder.py at its door, with training tools that only pretend."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from mmengine.registry import DATASETS

from bag_of_transfer.engine.interruption import TerminatedError
from bag_of_transfer.ladder.report.findings import find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes
from bag_of_transfer.ladder.report.results import read_results
from bag_of_transfer.ladder.run import command
from bag_of_transfer.ladder.run.lock import locked
from bag_of_transfer.ladder.seal import write_sealed
from tests.ladder.fake_ladder import (
    DET,
    OUT,
    ROOT,
    ladder,
    record,
    until,
    use_fake_tools,
    write_ladder,
)
from tests.ladder.fake_tools import answering_dry_runs

CELLS = [
    *("seed0/b/pretraining", "seed0/d/pretraining"),
    *("seed0/scratch/detection", "seed0/b/detection", "seed0/d/detection"),
]


@pytest.fixture(autouse=True)
def _fakes(tmp_path, monkeypatch):
    use_fake_tools(tmp_path, monkeypatch)


@pytest.fixture
def config(tmp_path):
    return write_ladder(tmp_path)


@pytest.fixture
def call(config):
    """Call the ladder in ``out/``."""
    return lambda *flags: ladder(config, "--work-dir", OUT, *flags)


def first_error(capfd):
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")][
        -1:
    ]
    return line


def test_one_call_makes_all_and_the_next_one_nothing(call, capfd):
    assert call() == 0
    assert [record(key)["status"] for key in CELLS] == ["done"] * 5
    summary = json.loads((OUT / "summary.json").read_text())
    assert summary
    assert "| scratch " in capfd.readouterr().out
    written = {key: (OUT / key / "cell.json").stat().st_mtime_ns for key in CELLS}
    assert call() == 0
    assert {key: (OUT / key / "cell.json").stat().st_mtime_ns for key in CELLS} == written
    assert "5 cells: 5 done\n" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("ended", "word", "code"),
    [(KeyboardInterrupt, "interrupted", 130), (TerminatedError, "terminated", 143)],
)
def test_a_signal_ends_a_ladder_with_one_line_that_says_how_to_go_on(
    config, capfd, monkeypatch, ended, word, code
):
    def climb(call):
        raise ended

    monkeypatch.setattr(command, "climb", climb)
    assert ladder(config, "--work-dir", OUT) == code
    assert capfd.readouterr().err == f"{word}: finished cells are kept; the same command goes on\n"


def test_a_dry_run_tells_cells_time_and_disk(call, tmp_path, capfd):
    # 100 iterations of 3 s; per image of val a forward pass: 3 s / 10 / 3; 24 bytes a parameter
    note = answering_dry_runs(
        seconds_per_iteration=3.0, batch_size=10, iterations=100, val_images=60
    )
    tool = tmp_path / "tools/train.py"
    tool.write_text(note + tool.read_text())
    assert call("--dry-run") == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:5]] == [["missing", key] for key in CELLS]
    assert "  5 min 18 s" in lines[2]  # 300 s of training, 6 s of val, 12 s around it
    assert lines[5] == "5 missing"
    assert lines[6] == "about 15 min 54 s (estimated) and 7.2 GB; 2 cells could not be timed"
    assert not list(OUT.glob("seed*"))
    assert call("--cell", "seed0/scratch/detection") == 0
    capfd.readouterr()
    assert call("--dry-run") == 0
    output = capfd.readouterr().out
    assert "done     seed0/scratch/detection\n" in output
    assert "4 missing, 1 done" in output or "1 done, 4 missing" in output


def test_time_is_that_of_a_typical_cell_of_the_config(config, capfd):
    flags = ("--work-dir", OUT, "--seeds", 0, 1, 2, 3)
    ladder(config, "--work-dir", OUT, "--seeds", 0, 1, 2)
    for seed, seconds in enumerate((60, 66, 600)):  # one ran beside other work
        path = OUT / f"seed{seed}/b/pretraining/cell.json"
        write_sealed(path, json.loads(path.read_text()) | {"seconds": seconds})
    capfd.readouterr()
    assert ladder(config, *flags, "--dry-run") == 0
    assert "missing  seed3/b/pretraining  1 min 6 s\n" in capfd.readouterr().out


def test_changed_cells_are_listed_and_nothing_is_run(call, config, capfd):
    call()
    (config.parent / "det.py").write_text(DET + "more = 1\n")
    before = record(CELLS[3])
    capfd.readouterr()
    assert call() == 3
    output = capfd.readouterr()
    assert output.out.splitlines() == [f"changed: {key}: config changed" for key in CELLS[2:]]
    assert output.err.startswith("error: config, data, backbone or code of 3 cells changed")
    assert "--rerun-changed" in output.err
    assert record(CELLS[3]) == before


def test_changed_cells_are_run_again_and_the_old_ones_kept_aside(call, config):
    call()
    (config.parent / "det.py").write_text(DET + "more = 1\n")
    before = {key: record(key) for key in CELLS}
    assert call("--rerun-changed") == 0
    for key in CELLS[2:]:
        old = json.loads((OUT / "replaced" / key / "cell.json").read_text())
        assert old == before[key]
        assert record(key)["fingerprint"] != old["fingerprint"]
    assert record(CELLS[0]) == before[CELLS[0]]
    assert not (OUT / "replaced/seed0/b/pretraining").exists()


def test_a_changed_backbone_takes_along_what_was_made_from_it(call, config, capfd):
    call()
    (config.parent / "b.py").write_text("model = dict(distillation=1)\n")
    capfd.readouterr()
    assert call() == 3
    output = capfd.readouterr().out.splitlines()
    assert [line.split()[1].rstrip(":") for line in output] == [
        key for key in CELLS if "scratch" not in key
    ]


def test_changed_cells_may_be_kept_with_a_footnote(call, config, capfd):
    call()
    (config.parent / "det.py").write_text(DET + "more = 1\n")
    assert call("--keep-changed") == 0
    assert not (OUT / "replaced").exists()
    (note,) = record("seed0/b/detection")["notes"]
    assert note == "kept although config changed"
    read = read_results(OUT)
    kept = [line for line in footnotes(read, (), find_top1(read)) if line.endswith(f": {note}")]
    names = ("scratch / detection", "b / detection", "d / detection")
    assert kept == [f"{'; '.join(f'{name} / seed 0' for name in names)}: {note}"]
    capfd.readouterr()
    assert call() == 0  # kept for good, until the next change
    assert "5 cells: 5 done\n" in capfd.readouterr().out


def test_what_was_cut_off_and_changed_is_begun_anew_rather_than_kept(call, capfd):
    folder = OUT / "seed0/scratch/detection"
    folder.mkdir(parents=True)
    (folder / "begun.json").write_text('{"fingerprint": {"config": "x"}}')
    (folder / "last_checkpoint").write_text("epoch_1.pth")
    assert call() == 3
    assert call("--keep-changed") == 0
    assert record("seed0/scratch/detection")["status"] == "done"
    assert (OUT / "replaced/seed0/scratch/detection/begun.json").is_file()


def test_finished_cells_travel_and_need_not_be_run_again(call, config, capfd):
    call()
    assert call("--export", "all.tar.gz") == 0
    assert "5 cells in all.tar.gz" in capfd.readouterr().out
    assert call("--export", "all.tar.gz") == 3
    elsewhere = (config, "--work-dir", "there")
    assert ladder(*elsewhere, "--import", "all.tar.gz") == 0
    assert ladder(*elsewhere) == 0
    assert "5 cells: 5 done\n" in capfd.readouterr().out
    assert not list(Path("there").rglob("*.safetensors"))
    assert ladder(*elsewhere, "--import", "all.tar.gz") == 0
    assert "imported 0 cells, 5 here already" in capfd.readouterr().out


def test_a_single_cell_needs_what_it_is_made_from(call, capfd):
    assert call("--cell", "seed0/d/detection") == 2
    assert (
        "the cell needs seed0/d/pretraining, which is not done: --cell seed0/d/detection: "
        in first_error(capfd)
    )
    assert call("--cell", "seed0/d/pretraining") == 2  # its teacher
    assert call("--cell", "seed0/b/pretraining") == 0
    assert call("--cell", "seed0/d/pretraining") == 0
    assert call("--cell", "seed0/d/detection") == 0
    done = {str(path.parent.relative_to(OUT)) for path in OUT.glob("seed*/*/*/cell.json")}
    assert done == {*CELLS[:2], CELLS[4]}
    assert not (OUT / "summary.json").exists()  # that is for the whole
    assert call("--cell", "seed0/e/detection") == 2
    assert "use one of seed0/b/pretraining, " in first_error(capfd)


def test_a_cell_is_not_run_alone_when_what_it_is_made_from_changed(call, config, capfd):
    call()
    (config.parent / "b.py").write_text("model = dict(distillation=1)\n")
    assert call("--cell", "seed0/b/detection", "--rerun-changed") == 2
    assert "the cell needs seed0/b/pretraining" in first_error(capfd)
    assert not (OUT / "replaced").exists()


def test_time_over_is_exit_code_75_and_the_next_call_goes_on(tmp_path, capfd):
    config = write_ladder(tmp_path, "scratch=None, b=dict(config='{0}/slow.py')")
    assert ladder(config, "--work-dir", OUT, "--max-minutes", 2 / 60) == 75
    assert "call again to go on" in capfd.readouterr().out
    assert not (OUT / "seed0/b/detection").exists()
    assert ladder(config, "--work-dir", OUT) == 0
    assert (OUT / "seed0/b/pretraining/epochs").read_text() == "xx"  # not begun anew


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_failing_cell_gives_its_reason_and_the_rest_is_made(tmp_path, capfd, jobs):
    rungs = "bad=dict(config='{0}/fails.py'), b=dict(config='{0}/b.py')"
    assert ladder(write_ladder(tmp_path, rungs), "--work-dir", OUT, "--jobs", jobs) == 2
    output = first_error(capfd)
    assert output.startswith("error: 1 cell failed, 1 that need them were left out: seed0/bad/pre")
    assert "no such data: somewhere: put it there" in output
    assert record("seed0/b/detection")["status"] == "done"
    assert (OUT / "summary.json").exists()


def test_two_ladders_at_once_are_one_too_many(call, capfd):
    with locked(OUT / ".lock"):
        assert call() == 3
        assert call("--cell", "seed0/b/pretraining") == 3
    assert f"process number {os.getpid()} on " in first_error(capfd)
    assert not list(OUT.glob("[!.]*"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_with_their_codes(tmp_path, how):
    config = write_ladder(tmp_path, "scratch=None, b=dict(config='{0}/slow.py')")
    epochs = OUT / "seed0/b/pretraining/epochs"

    def climb():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
        os._exit(ladder(config, "--work-dir", OUT))

    process = multiprocessing.get_context("fork").Process(target=climb)
    process.start()
    until(lambda: epochs.exists() and epochs.read_text() == "xx")
    os.kill(process.pid, how)
    process.join()
    assert process.exitcode == 128 + how
    assert not (epochs.parent / "cell.json").exists()
    assert ladder(config, "--work-dir", OUT) == 0
    assert epochs.read_text() == "xx"  # gone on with, not begun anew


WRONG = {
    "unknown model": ("a=dict(model='resnet51')", "", "resnet51"),
    "missing config": ("a=dict(config='{0}/none.py')", "", "none.py"),
    "missing file": ("a=dict(file='{0}/none.safetensors')", "", "none.safetensors"),
    "missing task": ("scratch=None", "t='{0}/none.py'", "none.py"),
    "no test split": ("scratch=None", "t='{0}/no_test.py'", "no test split"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("flags", [(), ("--dry-run",), ("--slurm",), ("--cell", "seed0/a/t")])
def test_a_wrong_config_is_told_before_anything_is_written(tmp_path, capfd, name, flags):
    rungs, tasks, named = WRONG[name]
    (tmp_path / "no_test.py").write_text(DET + "test_dataloader = None\n")
    config = write_ladder(tmp_path, rungs, tasks)
    assert ladder(config, "--work-dir", OUT, *flags) == 2
    assert named in first_error(capfd)
    assert not OUT.exists()


def test_wrong_flags_are_told_before_anything_is_written(call, capfd):
    for flags in (("--jobs", 0), ("--cell", "seed7/b/detection"), ("--seeds", 1, 1)):
        assert call(*flags) == 2
        assert flags[0].lstrip("-") in first_error(capfd)
    with pytest.raises(SystemExit, match="2"):
        call("--rerun-changed", "--keep-changed")
    assert ladder("none.py") == 2
    assert not OUT.exists()


def test_an_image_in_val_and_test_is_refused_before_any_move(world, tmp_path, capfd, monkeypatch):
    voc = tmp_path / "voc.py"
    voc.write_text(f"_base_ = [{str(ROOT / 'configs/detection/faster-rcnn_fpn_tiny.py')!r}]\n")
    config = write_ladder(tmp_path, "scratch=None", "t='{0}/voc.py'")
    assert ladder(config, "--work-dir", OUT) == 0
    same = 'test_dataloader = dict(dataset=dict(ann_file="ImageSets/Main/val.txt"))\n'
    voc.write_text(voc.read_text() + same)
    written = record("seed0/scratch/t")
    assert ladder(config, "--work-dir", OUT, "--rerun-changed") == 2
    assert "8 images are in val and in test" in first_error(capfd)
    assert record("seed0/scratch/t") == written
    tasks = "t=dict(config='{0}/voc.py', published_split=True)"
    config = write_ladder(tmp_path, "scratch=None", tasks)
    assert ladder(config, "--work-dir", OUT, "--rerun-changed") == 0
    monkeypatch.setattr(DATASETS, "build", None)
    assert ladder(config, "--work-dir", OUT) == 0  # nothing to run, nothing to read again
