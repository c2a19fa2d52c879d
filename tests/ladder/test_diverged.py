"""A cell that diverged is a result: it is not tried again until it works."""

import json
import shutil
from pathlib import Path

import pytest

from bag_of_transfer.ladder.plan.planning import plan
from bag_of_transfer.ladder.plan.spec import read_ladder
from bag_of_transfer.ladder.run import on_slurm, status
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


@pytest.mark.parametrize("how", ["recipe", "folder"])
def test_a_change_of_its_recipe_or_removing_its_folder_tries_it_again(config, capsys, how):
    ladder(config, "--work-dir", "out")
    if how == "folder":
        shutil.rmtree(Path("out", LOST))
        assert words(config)[LOST] == "missing"
        return
    Path("diverges.py").write_text("model = dict(distillation=None, more=1)\n")
    assert words(config)[LOST] == "failed"
    capsys.readouterr()
    ladder(config, "--work-dir", "out")
    assert f"failed: {LOST}: starts again" in capsys.readouterr().out


def test_it_is_tried_again_when_its_backbone_changed(config, tmp_path):
    (tmp_path / "diverges-det.py").write_text((tmp_path / "det.py").read_text())
    config = write_ladder(tmp_path, "b=dict(config='{0}/b.py')", "detection='{0}/diverges-det.py'")
    assert ladder(config, "--work-dir", "out") == 0
    assert words(config)["seed0/b/detection"] == "diverged"
    Path("b.py").write_text("model = dict(distillation=None, more=1)\n")
    assert words(config) == {"seed0/b/pretraining": "changed", "seed0/b/detection": "failed"}


def test_it_needs_no_backbone_any_more(config, tmp_path):
    (tmp_path / "diverges-det.py").write_text((tmp_path / "det.py").read_text())
    config = write_ladder(tmp_path, "b=dict(config='{0}/b.py')", "detection='{0}/diverges-det.py'")
    ladder(config, "--work-dir", "out")
    Path("out/seed0/b/pretraining/backbone.safetensors").unlink()
    assert words(config) == {"seed0/b/pretraining": "done", "seed0/b/detection": "diverged"}


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


def test_alone_it_says_so_and_its_users_are_refused_with_the_reason(config, capsys):
    assert ladder(config, "--work-dir", "out", "--cell", LOST) == 0
    assert "1 cell diverged" in capsys.readouterr().out
    assert ladder(config, "--work-dir", "out", "--cell", USER) == 2
    said = capsys.readouterr().err
    assert f"the cell needs {LOST}, which is not done: --cell {USER}" in said
    assert "that one diverged (the loss is nan" in said


def test_slurm_runs_neither_it_nor_its_users(config):
    ladder(config, "--work-dir", "out", "--cell", LOST)
    read = read_ladder(config)
    cells = plan(read, Path("out")).cells
    listed = [
        key for keys in on_slurm.levels(cells, status.survey(cells, read.selection)) for key in keys
    ]
    assert listed
    assert not {LOST, USER} & set(listed)


def test_a_dry_run_names_it(config, capsys):
    ladder(config, "--work-dir", "out", "--cell", LOST)
    capsys.readouterr()
    assert ladder(config, "--work-dir", "out", "--dry-run") == 0
    assert f"diverged {LOST} (the loss is nan" in capsys.readouterr().out


def test_more_seeds_are_run_although_one_diverged(config, capsys):
    """``--precision`` used to stop for ever after the first diverged cell."""
    assert ladder(config, "--work-dir", "out", "--precision", "1", "--max-seeds", "2") == 0
    assert "more seeds for +-1 points: 1" in capsys.readouterr().out
