"""A cell that diverged is a result: it is not tried again until it works."""

import json
import shutil
from pathlib import Path

import pytest

from bag_of_transfer.ladder.plan.planning import plan
from bag_of_transfer.ladder.plan.spec import read_ladder
from bag_of_transfer.ladder.report.results import read_results
from bag_of_transfer.ladder.run import command, status
from tests.ladder.fake_ladder import ladder, use_fake_tools, write_ladder

LOST = "seed0/lost/pretraining"
USER = "seed0/lost/detection"
RUNGS = "scratch=None, lost=dict(config='{0}/diverges.py'), b=dict(config='{0}/b.py')"
STUDENT = "lost=dict(config='{0}/diverges.py'), d=dict(config='{0}/d.py', teacher='lost')"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write a ladder of which one rung's pretraining diverges."""
    use_fake_tools(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    return write_ladder(tmp_path, RUNGS)


def words(config: Path) -> dict[str, str]:
    read = read_ladder(config)
    cells = plan(read, Path("out")).cells
    surveyed = status.with_weights(cells, status.survey(cells, read.selection))
    return {key: now.word for key, now in surveyed.items()}


def record(key: str) -> dict[str, object]:
    return json.loads(Path("out", key, "cell.json").read_text())


def test_the_others_run_and_the_call_succeeds(config, capsys):
    assert ladder(config, "--work-dir", "out") == 0
    said = capsys.readouterr().out
    assert f"{LOST} diverged; going on with the rest" in said
    assert f"  {LOST}: the loss is nan: epoch 1: lower the rate" in said
    assert f"left out, because they need one of these: {USER}" in said
    found = words(config)
    assert (found.pop(LOST), found.pop(USER)) == ("diverged", "missing")
    assert set(found.values()) == {"done"}
    assert record(LOST)["status"] == "failed"  # as it always was, for reports and archives


def test_a_second_call_does_not_try_it_again(config, capsys):
    ladder(config, "--work-dir", "out")
    before = record(LOST)
    capsys.readouterr()
    assert ladder(config, "--work-dir", "out") == 0
    said = capsys.readouterr().out
    assert "5 cells: 1 diverged, 3 done, 1 missing" in said
    assert "[1/" not in said
    assert f"{LOST}: the loss is nan" in said
    assert record(LOST) == before


def test_removing_its_folder_tries_it_again(config, capsys):
    ladder(config, "--work-dir", "out")
    shutil.rmtree(Path("out", LOST))
    capsys.readouterr()
    assert ladder(config, "--work-dir", "out") == 0
    assert f"] {LOST}" in capsys.readouterr().out


def change(file: str, more: int = 1) -> None:
    Path(file).write_text(f"model = dict(distillation=None, more={more})\n")


def test_a_changed_one_is_decided_about_as_a_figure_is(config, capsys):
    """Else ``--keep-changed`` would keep the good runs and draw the bad ones again."""
    ladder(config, "--work-dir", "out")
    change("diverges.py")
    assert words(config)[LOST] == "changed"
    assert ladder(config, "--work-dir", "out") == 3
    assert f"changed: {LOST}: config changed" in capsys.readouterr().out
    before = record(LOST)
    assert ladder(config, "--work-dir", "out", "--keep-changed") == 0
    assert words(config)[LOST] == "diverged"
    assert record(LOST)["finished"] == before["finished"]
    assert record(LOST)["notes"] == ["kept although config changed"]
    change("diverges.py", more=2)
    assert ladder(config, "--work-dir", "out", "--rerun-changed") == 0
    assert "notes" not in record(LOST)
    assert Path("out/replaced", LOST, "cell.json").is_file()


@pytest.fixture
def lost_detector(config, tmp_path):
    """Write a ladder of which the only detector diverges."""
    (tmp_path / "diverges-det.py").write_text((tmp_path / "det.py").read_text())
    return write_ladder(tmp_path, "b=dict(config='{0}/b.py')", "detection='{0}/diverges-det.py'")


def test_one_whose_backbone_changed_is_changed(lost_detector):
    assert ladder(lost_detector, "--work-dir", "out") == 0
    assert words(lost_detector)["seed0/b/detection"] == "diverged"
    change("b.py")
    assert set(words(lost_detector).values()) == {"changed"}
    assert ladder(lost_detector, "--work-dir", "out", "--keep-changed") == 0
    assert words(lost_detector)["seed0/b/detection"] == "diverged"


def test_it_needs_no_backbone_any_more(lost_detector):
    ladder(lost_detector, "--work-dir", "out")
    Path("out/seed0/b/pretraining/backbone.safetensors").unlink()
    assert words(lost_detector) == {"seed0/b/pretraining": "done", "seed0/b/detection": "diverged"}


def test_students_of_a_lost_teacher_are_left_out_too(config, tmp_path, capsys):
    config = write_ladder(tmp_path, STUDENT)
    assert ladder(config, "--work-dir", "out") == 0
    users = f"{USER}, seed0/d/pretraining, seed0/d/detection"
    (line,) = (each for each in capsys.readouterr().out.splitlines() if each.startswith("left out"))
    assert set(line.partition(": ")[2].split(", ")) == set(users.split(", "))


def test_another_failure_still_counts_as_one(config, tmp_path, capsys):
    config = write_ladder(tmp_path, f"{RUNGS}, bad=dict(config='{{0}}/fails.py')")
    assert ladder(config, "--work-dir", "out") == 2
    said = capsys.readouterr()
    assert "1 cell failed, 1 that need them were left out: seed0/bad/pretraining" in said.err
    assert "1 cell diverged" in said.out


def test_alone_it_ends_with_its_reason_and_so_do_its_users(config, capsys):
    for _ in range(2):  # the second call only tells what the first one did
        assert ladder(config, "--work-dir", "out", "--cell", LOST) == 2
        said = capsys.readouterr()
        assert "1 cell diverged" in said.out
        assert f"error: the cell diverged: {LOST}: the loss is nan" in said.err
    assert ladder(config, "--work-dir", "out", "--cell", USER) == 2
    said = capsys.readouterr().err
    assert f"the cell needs {LOST}, which is not done: --cell {USER}: {LOST} diverged (the" in said


def test_a_users_user_is_told_what_diverged(config, tmp_path, capsys):
    config = write_ladder(tmp_path, STUDENT)
    ladder(config, "--work-dir", "out")
    capsys.readouterr()
    assert ladder(config, "--work-dir", "out", "--cell", "seed0/d/detection") == 2
    assert f"{LOST} diverged (the loss is nan" in capsys.readouterr().err


def test_slurm_runs_neither_it_nor_its_users(config, capsys):
    ladder(config, "--work-dir", "out", "--cell", LOST)
    assert ladder(config, "--work-dir", "out", "--slurm", "mine.sbatch") == 0
    listed = Path("mine.sbatch").read_text()
    assert "seed0/b/detection" in listed
    assert LOST not in listed
    assert USER not in listed
    ladder(config, "--work-dir", "out")
    capsys.readouterr()
    assert ladder(config, "--work-dir", "out", "--slurm", "second.sbatch") == 0
    said = capsys.readouterr().out
    assert "no cell is left to run: no script is needed" in said
    assert f"  {LOST}: the loss is nan" in said


def test_a_dry_run_names_it_and_what_is_left_out(config, capsys):
    ladder(config, "--work-dir", "out", "--cell", LOST)
    capsys.readouterr()
    assert ladder(config, "--work-dir", "out", "--dry-run") == 0
    said = capsys.readouterr().out
    assert f"diverged {LOST} (the loss is nan" in said
    assert f"missing  {USER} (left out: it needs one that diverged)" in said


def test_cells_are_counted_without_those_that_are_left_out(config, capsys):
    ladder(config, "--work-dir", "out", "--cell", LOST)
    capsys.readouterr()
    ladder(config, "--work-dir", "out")
    assert "[1/3]" in capsys.readouterr().out


def test_more_seeds_are_run_although_one_diverged(config, capsys):
    """``--precision`` used to stop for ever after the first diverged cell."""
    assert ladder(config, "--work-dir", "out", "--precision", "1", "--max-seeds", "3") == 0
    assert "more seeds for +-1 points: 1, 2" in capsys.readouterr().out
    assert record("seed2/b/detection")["status"] == "done"


def test_a_rung_that_always_diverges_asks_for_no_more_seeds(config, capsys):
    asked = ("--precision", "1", "--max-seeds", "20")
    assert ladder(config, "--work-dir", "out", *asked) == 0
    # the others have the same score in every seed: the fewest that give a verdict are enough
    assert not Path("out/seed5").exists()
    assert record("seed4/b/detection")["status"] == "done"


def test_a_lost_teacher_that_only_teaches_asks_for_no_more_seeds(config, tmp_path):
    teacher = "lost=dict(config='{0}/diverges.py', teaches_only=True)"
    config = write_ladder(
        tmp_path, f"scratch=None, {teacher}, d=dict(config='{{0}}/d.py', teacher='lost')"
    )
    assert ladder(config, "--work-dir", "out", "--precision", "1", "--max-seeds", "20") == 0
    results = read_results(Path("out"))
    assert results.seeds == (0, 1, 2)  # as many as a guess takes
    assert results.num_diverged("d", "detection") == 3


def test_it_travels_as_a_result(config, capsys):
    ladder(config, "--work-dir", "out")
    assert ladder(config, "--work-dir", "out", "--export", "cells.tar.gz") == 0
    assert ladder(config, "--work-dir", "other", "--import", "cells.tar.gz") == 0
    assert json.loads(Path("other", LOST, "cell.json").read_text()) == record(LOST)
    # one that diverged here stays, whatever became of it elsewhere
    Path("out", LOST, "mine").touch()
    assert ladder(config, "--work-dir", "out", "--import", "cells.tar.gz") == 0
    assert Path("out", LOST, "mine").exists()


def test_an_edited_reason_is_refused(config):
    ladder(config, "--work-dir", "out")
    path = Path("out", LOST, "cell.json")
    path.write_text(path.read_text().replace("lower the rate", "bad luck"))
    assert ladder(config, "--work-dir", "out") == 3


def test_tables_count_what_a_backbone_took_along(config):
    ladder(config, "--work-dir", "out", "--seeds", "0", "1")
    results = read_results(Path("out"))
    counts = {rung: results.num_diverged(rung, "detection") for rung in results.rungs}
    assert counts == {"scratch": 0, "lost": 2, "b": 0}


LR = "optim_wrapper.optimizer.lr"
TRAINED = """
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1))
val_dataloader = dict(dataset=dict())
"""


@pytest.mark.parametrize("tuned", ["detection", "pretraining"])
def test_a_search_that_cannot_be_finished_is_an_error(config, tmp_path, capsys, monkeypatch, tuned):
    monkeypatch.setattr(command, "check_splits", lambda tasks: None)  # there are no images
    for name in ("b", "d", "diverges", "det"):
        path = tmp_path / f"{name}.py"
        path.write_text(path.read_text() + TRAINED)
    rates = {"detection": [0.01, 0.02], "pretraining": [4.0, 8.0]}[tuned]  # all of these lose it
    more = f"detection={{'{LR}': [0.01, 0.02]}}" if tuned == "pretraining" else ""
    text = config.read_text()
    config.write_text(
        f"{text}tune = dict({tuned}={{'{LR}': {rates}}}, {more})\ntuning_seeds = [9]\n"
    )
    for _ in range(2):  # nor is it tried until it works
        assert ladder(config, "--work-dir", "out", "--precision", "1", "--max-seeds", "9") == 2
        said = capsys.readouterr()
        assert "error: no values can be chosen, because tuning/seed9/" in said.err
        assert "change its recipe: the loss is nan" in said.err
    assert "[1/" not in said.out
    assert not Path("out/seed1").exists()
    assert ladder(config, "--work-dir", "out", "--slurm") == 2
    assert "error: no values can be chosen" in capsys.readouterr().err
