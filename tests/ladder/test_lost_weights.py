"""Results travel without weights: who needs them makes them again, and nothing else changes."""

import json
import shutil
from pathlib import Path

import pytest

from bag_of_transfer.ladder.run import status
from bag_of_transfer.ladder.run.fingerprint import fingerprint
from tests.ladder.fake_ladder import DET, OUT, ladder, record, use_fake_tools, write_ladder

B, DETECTION, MORE = "seed0/b/pretraining", "seed0/b/detection", "seed0/b/more"
TASKS = "detection='{0}/det.py', more='{0}/det.py'"


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call a ladder of one rung, b, in ``out/``; its backbone's weights are gone."""
    monkeypatch.chdir(tmp_path)
    use_fake_tools(tmp_path, monkeypatch)
    rung = "b=dict(config='{0}/b.py')"
    assert ladder(write_ladder(tmp_path, rung), "--work-dir", OUT) == 0
    (OUT / B / "backbone.safetensors").unlink()

    def again(*flags, rungs=rung, tasks=TASKS):
        return ladder(write_ladder(tmp_path, rungs, tasks), "--work-dir", OUT, *flags)

    again.folder = tmp_path
    return again


def test_weights_made_again_leave_finished_results_with_a_footnote(call, capfd, monkeypatch):
    first = record(B)
    monkeypatch.setattr(status, "fingerprint", other_weights)
    capfd.readouterr()
    assert call() == 0
    output = capfd.readouterr().out
    assert (
        f"{B} is run again, because its weights are missing; kept with a footnote: {DETECTION}"
        in output
    )
    assert json.loads((OUT / "replaced" / B / "cell.json").read_text()) == first
    note = "fine-tuned from an earlier run of its backbone"
    assert record(DETECTION)["notes"] == [note]
    made_from = [record(key)["fingerprint"]["backbone"] for key in (DETECTION, MORE)]
    assert made_from[0] != made_from[1] == "made again"
    assert call() == 0
    assert "3 cells: 3 done" in capfd.readouterr().out
    assert record(DETECTION)["notes"] == [note]


def test_other_seeds_that_share_a_backbone_stay_when_it_is_made_again(call, capfd, monkeypatch):
    monkeypatch.setattr(status, "fingerprint", other_weights)
    shared = dict(rungs="b=dict(config='{0}/b.py', seeds='shared')", tasks="detection='{0}/det.py'")
    assert call("--seeds", 2, **shared) == 0
    assert f"kept with a footnote: {DETECTION}" in capfd.readouterr().out
    assert record(DETECTION)["notes"] == ["fine-tuned from an earlier run of its backbone"]
    assert call(**shared) == 0
    assert "2 cells: 2 done" in capfd.readouterr().out


def other_weights(cell, selection):
    """As ``fingerprint``, of a machine on which training again gives other weights."""
    found = fingerprint(cell, selection)
    again = (OUT / "replaced" / B).exists() and (OUT / B / "backbone.safetensors").exists()
    return {**found, "backbone": "made again"} if cell.task and again else found


def test_a_kept_cell_stays_kept_when_its_backbone_is_made_again(call, monkeypatch):
    monkeypatch.setattr(status, "fingerprint", other_weights)
    (call.folder / "det.py").write_text(DET + "more = 1\n")
    changed = dict(tasks="detection='{0}/changed.py'")
    (call.folder / "changed.py").write_text(DET + "more = 1\n")
    assert call("--keep-changed", **changed) == 0
    both = dict(tasks="detection='{0}/changed.py', more='{0}/det.py'")
    assert call(**both) == 0
    assert call(**both) == 0
    assert len(record(DETECTION)["notes"]) == 2


def test_cells_elsewhere_find_what_to_make_again(call, capfd):
    assert call("--slurm") == 0
    script = (OUT / "ladder.sbatch").read_text()
    assert script.index(B) < script.index(MORE)
    assert call("--cell", MORE) == 2
    assert call("--cell", B) == 0
    assert (OUT / B / "backbone.safetensors").is_file()
    assert call("--cell", MORE) == 0
    assert record(DETECTION)["notes"] == ["fine-tuned from an earlier run of its backbone"]


def test_changed_cells_that_are_run_again_find_their_backbone(call):
    changed = dict(tasks="detection='{0}/changed.py'")
    (call.folder / "changed.py").write_text(DET + "more = 1\n")
    assert call("--rerun-changed", **changed) == 0
    assert (OUT / B / "backbone.safetensors").is_file()
    assert record(DETECTION)["status"] == "done"


def test_a_cut_off_cell_is_not_gone_on_with_on_other_weights(call):
    shutil.copytree(OUT / DETECTION, OUT / MORE)
    (OUT / MORE / "cell.json").unlink()
    (OUT / MORE / "epochs").write_text("xxx")
    assert call() == 0
    assert (OUT / MORE / "epochs").read_text() == ""


@pytest.mark.parametrize("only", [False, True])
def test_a_student_and_its_teacher_are_made_again_in_turn(call, only):
    rungs = "t=dict(config='{0}/d.py', teaches_only=True), " * only
    rungs += "t=dict(config='{0}/d.py'), " * (not only) + "s=dict(config='{0}/b.py', teacher='t')"
    flags = dict(rungs=rungs, tasks="detection='{0}/det.py'")
    assert call("--work-dir", "two", **flags) == 0
    for weights in [*Path("two").rglob("*.safetensors"), *Path("two").rglob("*.pth")]:
        weights.unlink()
    shutil.rmtree("two/seed0/s/detection")
    assert call("--work-dir", "two", **flags) == 0
    again = {
        path.parts[-3] for path in Path("two").glob("seed0/*/pretraining/backbone.safetensors")
    }
    assert again == {"s", "t"}
