"""What a ladder does with cells that failed, were cut off, or lost their weights."""

import json
import shutil

import pytest

from bag_of_transfer.ladder.report.results import read_results
from bag_of_transfer.ladder.run import cell_process, status
from tests.ladder.fake_ladder import DET, OUT, ladder, record, use_fake_tools, write_ladder

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


def break_tool(folder, name, how):
    """Let a tool do something else after what it did; return how to mend it."""
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
    output = capfd.readouterr().out
    assert f"failed: {DETECTION}: continues from what it has saved (exit code 9)" in output
    assert "2 cells: 1 done, 1 failed" in output
    assert trainings(DETECTION) == 2  # gone on with
    assert record(DETECTION)["status"] == "done"


def test_a_failed_cell_whose_config_changed_begins_anew(call, capfd):
    break_tool(call.folder, "train", "epochs.write_text(epochs.read_text() + 'x')")
    mend = break_tool(call.folder, "test", "sys.exit(9)")
    call()
    mend()
    (call.folder / "det.py").write_text(DET + "more = 1\n")
    assert call() == 0
    assert f"failed: {DETECTION}: starts again" in capfd.readouterr().out
    assert trainings(DETECTION) == 1


def test_the_answers_of_a_teacher_that_a_cut_off_cell_has_stored_stay(call):
    mend = break_tool(call.folder, "train_cls", "sys.exit(9)")
    call()
    mend()
    for name in ("last_checkpoint", "cell.json"):
        (OUT / B / name).unlink()
    answers = OUT / B / "answers"
    answers.mkdir()
    (answers / "card.json").write_text("{}")
    assert call() == 0
    assert (answers / "card.json").exists()


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


def test_what_is_removed_goes_at_once(tmp_path, monkeypatch):
    class Cell:
        root, key, folder = tmp_path, DETECTION, tmp_path / DETECTION

    (Cell.folder / "deep").mkdir(parents=True)
    monkeypatch.setattr(shutil, "rmtree", lambda *args, **more: None)  # killed before it ended
    status.clear(Cell)
    assert not Cell.folder.exists()


def test_what_the_training_took_is_not_taken_from_the_test(call):
    tool = call.folder / "tools/train.py"
    silent = tool.read_text().replace('(folder / "metrics.json")', '(folder / "other.json")')
    tool.write_text(silent)  # as of a task without val
    assert call() == 0
    assert record(DETECTION)["train"] == {}
    assert record(B)["train"]["img_per_s"] == 5.0


def test_all_that_a_failed_cell_keeps_waiting_is_counted(call, capfd):
    rungs = "t=dict(config='{0}/b.py'), s=dict(config='{0}/d.py', teacher='t')"
    config = write_ladder(call.folder, rungs)
    mend = break_tool(call.folder, "train_cls", "sys.exit('/s/' in sys.argv[3] and 9)")
    assert ladder(config, "--work-dir", OUT) == 1  # the student failed, and comes last now
    mend()
    shutil.rmtree(OUT / "seed0/t")
    break_tool(call.folder, "train_cls", "sys.exit(9)")
    capfd.readouterr()
    assert ladder(config, "--work-dir", OUT) == 1
    assert "1 cell failed, 3 that need them were left out" in capfd.readouterr().err


def test_seeds_that_stay_in_the_tables_are_looked_at_too(call, capfd):
    assert call("--seeds", 0, 1) == 0
    (call.folder / "det.py").write_text(DET + "more = 1\n")
    capfd.readouterr()
    assert call("--seeds", 1) == 3
    changed = [f"changed: seed{seed}/b/detection: config changed" for seed in (1, 0)]
    assert capfd.readouterr().out.splitlines() == changed
    assert call("--seeds", 1, "--rerun-changed") == 0
    done = {(cell.task, cell.seed) for cell in read_results(OUT).cells if cell.status == "done"}
    assert done == {("pretraining", 0), ("pretraining", 1), ("detection", 1)}
    assert call("--seeds", 0) == 0
    assert record("seed0/b/detection")["status"] == "done"


@pytest.mark.parametrize(("jobs", "message"), [(3, "3 jobs share 2 GPUs\n"), (2, "")])
def test_jobs_without_a_gpu_of_their_own_are_told(call, capfd, monkeypatch, jobs, message):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert call("--jobs", jobs) == 0
    assert (
        (message in capfd.readouterr().out) if message else ("share" not in capfd.readouterr().out)
    )


def test_a_gpu_that_is_not_there_is_refused(call, capfd, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert call("--jobs", 2, "--gpus", 1, 2) == 2
    assert capfd.readouterr().err.startswith("error: no GPU 2: --gpus: use one of 0, 1")
    assert not OUT.exists()
