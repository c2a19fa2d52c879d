"""Running cells: what is done stays, what fails is recorded, what is cut off goes on."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from bag_of_transfer.engine.errors import RefusedError
from bag_of_transfer.ladder.plan.cells import Command
from bag_of_transfer.ladder.plan.planning import plan
from bag_of_transfer.ladder.plan.spec import Ladder, Rung, Task
from bag_of_transfer.ladder.run import (
    cell_process,
    fingerprint,
    on_this_machine,
    status,
)
from bag_of_transfer.ladder.run.lock import locked
from tests.ladder.fake_ladder import until
from tests.ladder.fake_tools import use_fake_tools

DET = Task("detection", "det", Path("det.py"), ("mAP_voc07",))


def rung(name, config="b.py", **more):
    return Rung(name, "config", config, **more)


SCRATCH = Rung("scratch", "scratch")


@pytest.fixture
def climb(tmp_path, monkeypatch):
    """Run a ladder of fake tools in ``tmp_path/out``; returns what became of it."""
    use_fake_tools(tmp_path, monkeypatch)
    monkeypatch.setattr(on_this_machine, "import_once", lambda: None)
    prints = dict(config="1", data="1", backbone="1", code="1")
    monkeypatch.setattr(status, "fingerprint", lambda cell, selection: dict(prints))

    def again(*rungs, tasks=(DET,), seeds=(0,), now=None, selection="last", **flags):
        prints.update(now or {})
        ladder = Ladder("mine", Path("mine.py"), rungs, tasks, seeds, 0, rungs[0].name, selection)
        cells = plan(ladder, tmp_path / "out").cells
        before = status.with_weights(cells, status.survey(cells, "last"))
        return on_this_machine.run_cells(cells, before, ladder, **flags)

    again.root = tmp_path / "out"
    again.words = lambda *rungs, now=None: {
        key: now.word for key, now in _survey(prints, again.root, rungs, now).items()
    }
    return again


def _survey(prints, root, rungs, now):
    prints.update(now or {})
    ladder = Ladder("mine", Path("mine.py"), rungs, (DET,), (0,), 0, rungs[0].name)
    return status.survey(plan(ladder, root).cells, "last")


def record(climb, key):
    return json.loads((climb.root / key / "cell.json").read_text())


def test_every_cell_is_run_once_and_leaves_its_record(climb):
    done = climb(SCRATCH, rung("b"))
    assert done.done == ["seed0/b/pretraining", "seed0/scratch/detection", "seed0/b/detection"]
    written = record(climb, "seed0/b/detection")
    assert (written["status"], written["kind"], written["seed"]) == ("done", "det", 0)
    assert written["train"]["img_per_s"] == 5.0  # the test's metrics.json lies there by now
    metrics = json.loads((climb.root / "seed0/b/detection/metrics.json").read_text())
    assert metrics["split"] == "test"
    assert written["commands"][0][0] == "tools/train.py"
    assert climb(SCRATCH, rung("b")).done == []


def test_only_what_is_missing_is_run(climb):
    climb(SCRATCH)
    assert climb(SCRATCH, rung("b")).done == ["seed0/b/pretraining", "seed0/b/detection"]
    assert climb(SCRATCH, rung("b"), seeds=(0, 1)).done[0].startswith("seed1/")


def test_a_failing_cell_is_recorded_and_the_rest_goes_on(climb):
    outcome = climb(rung("bad", "fails.py"), rung("b"))
    assert outcome.failed == {"seed0/bad/pretraining": 2}
    assert outcome.skipped == ["seed0/bad/detection"]
    assert outcome.done == ["seed0/b/pretraining", "seed0/b/detection"]
    written = record(climb, "seed0/bad/pretraining")
    assert written["status"] == "failed"
    assert written["reason"] == "no such data: somewhere: put it there"
    # mended, it is tried again
    assert climb(rung("bad", "fine.py"), rung("b")).done == [
        "seed0/bad/pretraining",
        "seed0/bad/detection",
    ]


def test_a_crash_is_a_failure_too(climb):
    assert climb(rung("b", "breaks.py")).failed == {"seed0/b/pretraining": 1}
    assert "exit code 1" in record(climb, "seed0/b/pretraining")["reason"]


def test_time_over_stops_cleanly_and_the_cell_goes_on_where_it_was(climb):
    started = time.monotonic()
    outcome = climb(rung("b", "slow.py"), max_minutes=1.5 / 60)
    assert outcome.out_of_time
    assert time.monotonic() - started < 30
    key = "seed0/b/pretraining"
    assert not (climb.root / key / "cell.json").exists()
    assert climb.words(rung("b", "slow.py"))[key] == "cut off"
    assert climb(rung("b", "slow.py")).done == [key, "seed0/b/detection"]
    assert (climb.root / key / "epochs").read_text() == "xx"  # not begun anew
    # the record tells how to repeat it
    assert "--resume" not in record(climb, key)["commands"][0]


def test_what_was_cut_off_and_changed_since_is_not_gone_on_with(climb):
    climb(rung("b", "slow.py"), max_minutes=1.5 / 60)
    assert climb.words(rung("b"), now=dict(code="2"))["seed0/b/pretraining"] == "changed"


def test_a_changed_cell_takes_along_what_was_made_from_it(climb):
    climb(rung("b"))
    words = climb.words(rung("b"), now=dict(config="2"))
    assert words == {"seed0/b/pretraining": "changed", "seed0/b/detection": "changed"}


def test_a_kept_cell_stays_done_until_the_next_change(climb):
    climb(SCRATCH)
    climb.words(SCRATCH, now=dict(data="2"))
    ladder = Ladder("mine", Path("mine.py"), (SCRATCH,), (DET,), (0,), 0, "scratch")
    (cell,) = plan(ladder, climb.root).cells
    status.keep(cell, "last", "data changed")
    assert climb.words(SCRATCH) == {cell.key: "done"}
    assert "data changed" in record(climb, cell.key)["notes"][0]
    assert climb.words(SCRATCH, now=dict(data="3")) == {cell.key: "changed"}


def test_no_best_checkpoint_is_a_failure_with_its_reason(climb):
    outcome = climb(SCRATCH, selection="val")
    assert outcome.failed == {"seed0/scratch/detection": 2}
    assert "no checkpoint was picked on val" in record(climb, "seed0/scratch/detection")["reason"]


def test_an_edited_cell_is_refused(climb):
    climb(SCRATCH)
    metrics = climb.root / "seed0/scratch/detection/metrics.json"
    metrics.write_text(metrics.read_text().replace("2.0", "99.0"))
    with pytest.raises(RefusedError, match=r"metrics\.json is not what the run wrote"):
        climb(SCRATCH)
    metrics.unlink()
    with pytest.raises(RefusedError, match="gone"):
        climb(SCRATCH)


def test_weights_that_did_not_travel_are_made_again_only_for_who_needs_them(climb):
    climb(rung("b"))
    (climb.root / "seed0/b/pretraining/backbone.safetensors").unlink()
    assert climb(rung("b")).done == []
    status.put_aside(plan(_ladder(rung("b")), climb.root).cells[1])
    assert climb(rung("b")).done == ["seed0/b/pretraining", "seed0/b/detection"]


def _ladder(*rungs):
    return Ladder("mine", Path("mine.py"), rungs, (DET,), (0,), 0, rungs[0].name)


def test_jobs_run_side_by_side_and_write_logs(climb, capsys):
    outcome = climb(SCRATCH, rung("b"), rung("c"), seeds=(0, 1), jobs=3)
    assert len(outcome.done) == 2 * 5
    log = (climb.root / "seed1/c/detection/log.txt").read_text()
    assert "tools/train.py" in log
    # The screen shows a cell's last line, however soon the cell has ended.
    assert "seed1/c/detection: epoch 1/1 | 4/4\n" in capsys.readouterr().out


def test_each_job_sees_its_gpu(climb, tmp_path):
    seen = tmp_path / "seen"
    tool = tmp_path / "tools/train.py"
    note = f"import os\nopen({str(seen)!r}, 'a').write(os.environ['CUDA_VISIBLE_DEVICES'])\n"
    tool.write_text(note + tool.read_text())
    climb(SCRATCH, jobs=1, gpus=["5"])
    assert seen.read_text() == "5"


@pytest.mark.parametrize(("visible", "dealt"), [("", {"0", "1"}), ("6,GPU-7,8", {"6", "GPU-7"})])
def test_jobs_share_out_the_gpus_that_are_there(climb, tmp_path, monkeypatch, visible, dealt):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    tool = tmp_path / "tools/train.py"
    note = f"""import os, pathlib, time
gpu, seen = os.environ["CUDA_VISIBLE_DEVICES"], pathlib.Path({str(tmp_path)!r}, "seen")
seen.mkdir(exist_ok=True)
(seen / gpu).touch()
end = time.monotonic() + 20
while len(list(seen.iterdir())) < 2 and time.monotonic() < end:
    time.sleep(0.02)
"""
    tool.write_text(note + tool.read_text())
    climb(SCRATCH, seeds=(0, 1), jobs=2)
    assert {path.name for path in (tmp_path / "seen").iterdir()} == dealt


def test_a_file_is_copied_into_the_ladder(climb, tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"own")
    (tmp_path / "mine.json").write_text("{}")
    mine = Rung("mine", "file", str(tmp_path / "mine.safetensors"), seeds="shared")
    assert climb(mine).done == ["seed0/mine/pretraining", "seed0/mine/detection"]
    assert (climb.root / "seed0/mine/pretraining/backbone.safetensors").read_bytes() == b"own"


def test_two_ladders_in_one_folder_are_refused(tmp_path):
    lock = tmp_path / "out/.lock"
    with locked(lock):
        with pytest.raises(RefusedError, match=f"process number {os.getpid()}"):
            with locked(lock):
                pass
        with pytest.raises(RefusedError), locked(lock, shared=True):
            pass
    with locked(lock, shared=True), locked(lock, shared=True):
        pass


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        # tests/tools/test_ladder.py has these two through the tool
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_killed_ladder_leaves_no_process_and_a_state_to_go_on_from(climb, tmp_path, how):
    def run():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
        with locked(tmp_path / "out/.lock"):
            climb(rung("b", "slow.py"))

    started = multiprocessing.get_context("fork").Process(target=run)
    started.start()
    epochs = tmp_path / "out/seed0/b/pretraining/epochs"
    until(lambda: epochs.exists() and epochs.read_text() == "xx")
    os.kill(started.pid, how)
    started.join(30)
    until(lambda: _unlocked(tmp_path / "out/.lock"))  # the cell's processes ended, too
    assert climb.words(rung("b", "slow.py"))["seed0/b/pretraining"] == "cut off"
    assert climb(rung("b", "slow.py")).done == ["seed0/b/pretraining", "seed0/b/detection"]
    assert epochs.read_text() == "xx"


def _unlocked(path):
    try:
        with locked(path):
            return True
    except RefusedError:
        return False


def test_the_best_checkpoint_on_val_is_found_when_it_is_there(tmp_path):
    (tmp_path / "best_mAP_voc07_epoch_3.pth").write_bytes(b"")
    options = ("--out", "best.json")
    test = Command("tools/test.py", ("c.py",), tmp_path / "best", options, picked_on_val=True)
    command, found = test.words, cell_process.with_best(test).words
    assert found[2] == str(tmp_path / "best_mAP_voc07_epoch_3.pth")
    assert found[:2] + found[3:] == command[:2] + command[3:]


def test_the_fingerprint_is_what_the_state_reads():
    assert status.fingerprint is fingerprint.fingerprint
