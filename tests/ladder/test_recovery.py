"""What a ladder does with cells that failed, were cut off, or lost their weights."""

import json
import shutil
from pathlib import Path

import pytest

from ladder import cell_process, state
from ladder.fingerprint import fingerprint
from tests.ladder.fake_ladder import DET, ladder, use_fake_tools, write_ladder

OUT = Path("out")
B, DETECTION = "seed0/b/pretraining", "seed0/b/detection"


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call a ladder of one rung, b, in ``out/``."""
    monkeypatch.chdir(tmp_path)
    use_fake_tools(tmp_path, monkeypatch)
    config = write_ladder(tmp_path, "b=dict(config='{0}/b.py')")

    def again(*flags):
        return ladder(config, "--work-dir", OUT, *flags)

    again.folder = tmp_path
    return again


def record(key):
    return json.loads((OUT / key / "cell.json").read_text())


def break_tool(folder, name, how):
    """Let a tool do something else after what it did; returns how to mend it."""
    tool = folder / f"tools/{name}.py"
    whole = tool.read_text()
    tool.write_text(whole + how + "\n")
    return lambda: tool.write_text(whole)


def trainings(key):
    """How often the fake tool trained: it counts when told to resume."""
    return len((OUT / key / "epochs").read_text())


def test_a_failed_test_costs_no_training(call, capfd):
    count = "epochs.write_text(epochs.read_text() + 'x')"
    break_tool(call.folder, "train", count)
    mend = break_tool(call.folder, "test", "sys.exit(9)")
    assert call() == 1
    assert record(DETECTION)["reason"] == "exit code 9"
    mend()
    capfd.readouterr()
    assert call() == 0
    told = capfd.readouterr().out
    assert f"failed: {DETECTION}: goes on from its last checkpoint (exit code 9)" in told
    assert "2 cells: 1 done, 1 failed" in told
    assert trainings(DETECTION) == 2  # gone on with
    assert record(DETECTION)["status"] == "done"


def test_a_failed_cell_whose_config_changed_begins_anew(call, capfd):
    break_tool(call.folder, "train", "epochs.write_text(epochs.read_text() + 'x')")
    mend = break_tool(call.folder, "test", "sys.exit(9)")
    call()
    mend()
    (call.folder / "det.py").write_text(DET + "more = 1\n")
    assert call() == 0
    assert f"failed: {DETECTION}: begins anew" in capfd.readouterr().out
    assert trainings(DETECTION) == 1


def test_a_killed_tool_is_named_by_its_signal(call):
    break_tool(call.folder, "train", "import os; os.kill(os.getpid(), 9)")
    assert call() == 1
    assert record(DETECTION)["reason"] == "ended by SIGKILL"


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (RuntimeError("odd shape"), 1, "RuntimeError: odd shape"),
        (OSError(28, "No space left on device"), 2, "no space left on device: an output: free"),
    ],
)
def test_a_failure_between_the_tools_is_recorded(call, monkeypatch, error, code, reason):
    def draw(cell, count):
        raise error

    monkeypatch.setattr(cell_process, "draw_cell", draw)
    assert call() == code
    assert record(DETECTION)["status"] == "failed"
    assert record(DETECTION)["reason"].startswith(reason)


def test_a_cut_off_cell_is_not_gone_on_with_on_another_backbone(call, capfd):
    call()
    (OUT / DETECTION / "cell.json").unlink()  # as if killed after its first checkpoint
    (call.folder / "b.py").write_text("model = dict(distillation=1)\n")
    assert call() == 3
    assert f"changed: {DETECTION}: {B} changed" in capfd.readouterr().out
    assert call("--rerun-changed") == 0
    assert (OUT / "replaced" / DETECTION).is_dir()


def test_every_replaced_cell_is_kept(call):
    call()
    values = []
    for number in (1, 2, 3):
        values.append(record(DETECTION))
        (call.folder / "det.py").write_text(DET + f"more = {number}\n")
        assert call("--rerun-changed") == 0
    aside = [OUT / "replaced" / f"{DETECTION}{end}" for end in ("", "-2", "-3")]
    assert [json.loads((one / "cell.json").read_text()) for one in aside] == values


def test_weights_made_again_leave_imported_results_with_a_footnote(call, capfd, monkeypatch):
    call()
    first = record(B)
    (OUT / B / "backbone.safetensors").unlink()  # a cell that travelled
    monkeypatch.setattr(state, "fingerprint", other_weights)
    tasks = "detection='{0}/det.py', more='{0}/det.py'"
    more = write_ladder(call.folder, "b=dict(config='{0}/b.py')", tasks)
    capfd.readouterr()
    assert ladder(more, "--work-dir", OUT) == 0
    told = capfd.readouterr().out
    assert f"{B} is made again, its weights are not here; with a footnote stay {DETECTION}" in told
    assert json.loads((OUT / "replaced" / B / "cell.json").read_text()) == first
    note = f"fine-tuned from an earlier making of {B}"
    assert record(DETECTION)["notes"] == [note]
    made_from = [record(key)["fingerprint"]["backbone"] for key in (DETECTION, "seed0/b/more")]
    assert made_from[0] != made_from[1] == "made again"
    assert ladder(more, "--work-dir", OUT) == 0
    assert "3 cells: 3 done" in capfd.readouterr().out
    assert record(DETECTION)["notes"] == [note]


def other_weights(cell, selection):
    """As ``fingerprint``, of a machine on which training again gives other weights."""
    found = fingerprint(cell, selection)
    again = (OUT / "replaced" / B).exists() and (OUT / B / "backbone.safetensors").exists()
    return {**found, "backbone": "made again"} if cell.task and again else found


def test_what_is_removed_goes_at_once(tmp_path, monkeypatch):
    class Cell:
        root, key, folder = tmp_path, DETECTION, tmp_path / DETECTION

    (Cell.folder / "deep").mkdir(parents=True)
    monkeypatch.setattr(shutil, "rmtree", lambda *args, **more: None)  # killed before it ended
    state.clear(Cell)
    assert not Cell.folder.exists()
