"""A ladder that tunes its rungs: its cells, in which order they run, what they choose."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.plan.spec import Rung, Task
from bag_of_transfer.ladder.report.publish import publish
from bag_of_transfer.ladder.run import command, status
from bag_of_transfer.ladder.run.cell_process import refuses_added
from bag_of_transfer.ladder.run.fingerprint import fingerprint
from bag_of_transfer.ladder.seal import digests, write_sealed
from bag_of_transfer.ladder.search import Grid
from tests.ladder.fake_ladder import ladder, use_fake_tools, write_ladder
from tests.ladder.fake_tools import FAKE, answering_dry_runs

LR = "optim_wrapper.optimizer.lr"
TRAINED = """
train_cfg = dict(by_epoch=True, max_epochs=2)
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1))
val_dataloader = dict(dataset=dict())
"""


# More keys than a folder's name has room for.
MANY = ", ".join(f"'optim_wrapper.optimizer.{'x' * n}_rate': [0.01, 0.02]" for n in range(20, 26))


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """Write a ladder of fake tools that tunes; returns a function that calls it."""
    use_fake_tools(tmp_path, monkeypatch)
    monkeypatch.setattr(status, "fingerprint", lambda cell, selection: {"config": str(cell.point)})
    monkeypatch.setattr(command, "check_splits", lambda tasks: None)  # there are no images
    config = write_ladder(tmp_path)
    for name in ("b", "d", "det"):
        path = tmp_path / f"{name}.py"
        path.write_text(path.read_text() + TRAINED)

    def call(*words, tune: str = f"dict(detection={{'{LR}': [0.01, 0.02, 0.04]}})", more: str = ""):
        written = config.read_text().partition("tune =")[0]
        config.write_text(f"{written}tune = {tune}\ntuning_seeds = [9]\n{more}")
        return ladder(config, "--work-dir", tmp_path / "out", *words)

    call.out = tmp_path / "out"
    return call


def options(folder: Path) -> list[str]:
    first = json.loads((folder / "cell.json").read_text())["commands"][0]
    return first[first.index("--cfg-options") + 1 :] if "--cfg-options" in first else []


def test_every_rung_is_tried_with_the_same_values_and_reported_with_its_own(tuned):
    assert tuned() == 0
    tried = sorted(tuned.out.glob("tuning/seed9/*/detection/*"))
    assert [path.name for path in tried] == [f"{LR}={rate}" for rate in (0.01, 0.02, 0.04)] * 3
    for rung in ("scratch", "b", "d"):
        assert options(tuned.out / f"seed0/{rung}/detection")[-1] == f"{LR}=0.02"


def test_tuning_cells_are_judged_on_val_and_keep_no_weights(tuned):
    assert tuned() == 0
    cell = tuned.out / f"tuning/seed9/b/detection/{LR}=0.01"
    record = json.loads((cell / "cell.json").read_text())
    assert [words[0] for words in record["commands"]] == ["tools/train.py"]
    assert not list(cell.glob("*.pth"))
    assert (tuned.out / "seed0/b/detection/epoch_1.pth").is_file()


def test_a_tuning_run_starts_from_a_backbone_of_its_own_seed(tuned):
    assert tuned() == 0
    record = json.loads((tuned.out / f"tuning/seed9/b/detection/{LR}=0.01/cell.json").read_text())
    words = record["commands"][0]
    backbone = words[words.index("--backbone") + 1]
    assert "tuning/seed9/b/pretraining/as_stated/" in backbone


def test_a_knob_is_tried_by_its_one_name(tuned):
    assert tuned(tune="dict(detection={'base_lr': [0.01, 0.02, 0.04]})") == 0
    tried = sorted(tuned.out.glob("tuning/seed9/b/detection/*"))
    assert [path.name for path in tried] == [f"lr={rate}" for rate in (0.01, 0.02, 0.04)]


def test_a_student_is_tried_with_its_tuned_teacher(tuned):
    tune = f"dict(pretraining={{'{LR}': [0.01, 0.02, 0.04]}})"
    assert tuned(tune=tune) == 0
    student = options(tuned.out / f"tuning/seed9/d/pretraining/{LR}=0.01")
    assert any(f"tuning/seed9/b/pretraining/{LR}=0.02/last_checkpoint" in word for word in student)
    assert options(tuned.out / "seed0/d/pretraining")[-1] == f"{LR}=0.02"


def test_the_grid_is_widened_while_the_best_is_at_its_edge(tuned):
    assert tuned(tune=f"dict(detection={{'{LR}': [0.04, 0.08]}})") == 0
    tried = {path.name for path in tuned.out.glob("tuning/seed9/b/detection/*")}
    assert tried == {f"{LR}={rate}" for rate in (0.01, 0.02, 0.04, 0.08)}
    assert options(tuned.out / "seed0/b/detection")[-1] == f"{LR}=0.02"


def test_a_lost_loss_counts_as_the_worst_score(tuned):
    assert tuned(tune=f"dict(detection={{'{LR}': [0.01, 0.02, 8.0]}})") == 0
    record = json.loads((tuned.out / f"tuning/seed9/b/detection/{LR}=8.0/cell.json").read_text())
    assert record["status"] == "done"
    assert record["lost"].startswith("the loss is nan")


REFUSING = f"""import sys
if any(word.endswith(".lr=0.02") for word in sys.argv):
    print("error: {LR} is 0.02, not a number below 0.015: det.py: mend it", file=sys.stderr)
    sys.exit(2)
"""


def test_a_value_that_the_search_added_counts_as_the_worst_if_it_is_refused(tuned, tmp_path):
    (tmp_path / "tools/train.py").write_text(REFUSING + FAKE)
    assert tuned(tune=f"dict(detection={{'{LR}': [0.005, 0.01]}})") == 0
    for rung in ("scratch", "b", "d"):
        assert options(tuned.out / f"seed0/{rung}/detection")[-1] == f"{LR}=0.01"
    note = f"detection: the search went on to {LR}=0.02, which was refused ({LR} is 0.02, not a "
    assert (tuned.out / "summary.md").read_text().count(note) == 1


@pytest.mark.parametrize(
    ("reason", "code", "is_about_it"),
    [
        (f"{LR} is 0.08, not a number below 0.05: the config: mend it", 2, True),
        ("the rate must be below 0.05, got 0.08.: model.head: mend it", 2, True),
        (f"out of memory: {LR}: make it smaller", 2, True),
        (f"{LR} is 0.08", 1, False),  # a bug of the tool
        ("no such data: data/voc: put it there", 2, False),
        ("0.04 is too small, as 0.080 and x0.08 are: the config: mend it", 2, False),
        (f"no space: out/tuning/seed9/b/detection/{LR}=0.08/epoch_1.pth: free space", 2, False),
    ],
)
def test_a_failure_that_is_not_about_the_added_value_stays_one(reason, code, is_about_it):
    task = Task("t", "det", Path("t.py"), ("AP",), tune=Grid(((LR, (0.02, 0.04)),)))
    rung = Rung("scratch", "scratch")
    tried = {
        rate: Cell(rung, task, 9, None, (), Path("out"), ((LR, rate),), tunes=True)
        for rate in (0.04, 0.08)
    }
    assert refuses_added(tried[0.08], code, reason) == is_about_it
    assert not refuses_added(tried[0.04], code, reason)
    assert not replace(tried[0.08], tunes=False).added


def test_other_searches_go_on_although_a_cell_failed_which_is_tried_once(tuned, tmp_path, capsys):
    place = str(tmp_path)
    rungs = f"""rungs = dict(
    b=dict(config='{place}/b.py', tune={{'{LR}': [0.02]}}), bad=dict(config='{place}/fails.py')
)"""
    assert tuned(tune="None", more=rungs) == 2
    said = capsys.readouterr()
    assert "error: 1 cell failed, 1 that need them were left out: seed0/bad/pretraining" in said.err
    assert said.out.count("] seed0/bad/pretraining") == 1
    assert "failed: seed0/bad/pretraining" not in said.out
    assert options(tuned.out / "seed0/b/pretraining")[-1] == f"{LR}=0.02"
    assert (tuned.out / "seed0/b/detection/cell.json").is_file()


def test_a_run_without_a_score_is_named_because_no_later_call_would_choose(tuned, capsys):
    cell = tuned.out / f"tuning/seed9/b/detection/{LR}=0.01"
    tune = f"dict(detection={{'{LR}': [0.01]}})"
    assert tuned(tune=tune) == 0
    (cell / "metrics.json").write_text('{"metrics": {"mAP_voc07": null}}')
    record = json.loads((cell / "cell.json").read_text())
    write_sealed(cell / "cell.json", {**record, "files": digests(cell)})
    for flags in ((), ("--slurm",)):
        assert tuned(*flags, tune=tune) == 2
        said = capsys.readouterr()
        assert "error: no values can be chosen, because a run has no mAP_voc07 on val: " in said.err
        assert cell.relative_to(tuned.out).as_posix() in said.err
    assert "no cell is left to run" in said.out


def test_tables_say_what_was_not_tuned_and_what_was_tuned_on_its_own_split(tuned):
    def notes() -> str:
        return (tuned.out / "summary.md").read_text()

    assert tuned() == 0
    assert "pretraining: not tuned, each rung has the recipe of its config" in notes()
    assert "top-1 is measured on val" not in notes()
    assert tuned("--rerun-changed", tune=f"dict(pretraining={{'{LR}': [0.02]}})") == 0
    assert "detection: one recipe for all rungs" in notes()
    assert "top-1 is measured on val" in notes()


def test_a_second_call_does_nothing(tuned, capsys):
    tuned()
    capsys.readouterr()
    assert tuned() == 0
    assert "[1/" not in capsys.readouterr().out


def test_a_tuning_cell_is_run_alone_once_its_backbone_is_there(tuned, capsys):
    tried = f"tuning/seed9/b/detection/{LR}=0.01"
    assert tuned("--cell", tried) == 2
    assert "needs tuning/seed9/b/pretraining/as_stated" in capsys.readouterr().err
    assert tuned("--cell", "tuning/seed9/b/pretraining/as_stated") == 0
    assert tuned("--cell", tried) == 0
    assert (tuned.out / tried / "cell.json").is_file()
    assert tuned("--cell", "seed0/b/detection") == 2
    assert "others are known when values are chosen" in capsys.readouterr().err


def test_slurm_is_given_the_cells_that_are_known_and_the_others_are_announced(tuned, capsys):
    assert tuned("--slurm") == 0
    assert "they choose the values of the others" in capsys.readouterr().out
    script = (tuned.out / "ladder.sbatch").read_text()
    assert f"tuning/seed9/b/detection/{LR}=0.04" in script
    assert "seed0/b/detection" not in script


def test_a_dry_run_lists_the_cells_that_are_not_known_yet(tuned, capsys):
    assert tuned("--dry-run") == 0
    told = capsys.readouterr().out
    assert "seed0/b/detection" in told
    assert f"tuning/seed9/b/detection/{LR}=0.01" in told
    assert "values are still to be chosen" in told
    assert not tuned.out.exists() or not list(tuned.out.glob("seed*"))


def test_the_disk_that_is_still_needed_is_not_that_of_runs_without_weights(tuned, tmp_path, capsys):
    assert tuned() == 0
    shutil.rmtree(tuned.out / "seed0/scratch")
    note = answering_dry_runs(seconds_per_iteration=9.0, batch_size=1, iterations=9, val_images=9)
    (tmp_path / "tools/train.py").write_text(note + FAKE)
    for rung in ("b", "d"):
        shutil.rmtree(tuned.out / f"seed0/{rung}/detection")
    for path in tuned.out.glob("tuning/seed9/*/detection/*/cell.json"):
        write_sealed(path, json.loads(path.read_text()) | {"seconds": 60.0})
    capsys.readouterr()
    assert tuned("--dry-run") == 0
    said = capsys.readouterr().out
    assert "missing  seed0/scratch/detection  1 min 0 s\n" in said
    assert "about 3 min 0 s (from cells run here) and 7.2 GB\n" in said
    for folder in tuned.out.glob("tuning/seed9/*/detection"):
        shutil.rmtree(folder)
    assert tuned("--dry-run") == 0
    assert " and 7.2 GB\n" in capsys.readouterr().out


def test_a_value_that_was_chosen_otherwise_changes_the_cells(tuned, capsys):
    tuned()
    metrics = tuned.out / f"tuning/seed9/b/detection/{LR}=0.01"
    result = json.loads((metrics / "metrics.json").read_text())
    result["metrics"]["mAP_voc07"] = 99.0
    (metrics / "metrics.json").write_text(json.dumps(result))
    assert tuned() == 3
    assert "metrics.json is not what the run wrote" in capsys.readouterr().err
    record = json.loads((metrics / "cell.json").read_text())
    write_sealed(metrics / "cell.json", {**record, "files": {}})
    assert tuned() == 3
    assert "seed0/b/detection: config changed" in capsys.readouterr().out


def test_a_ladder_goes_on_in_a_published_copy_of_it(tuned, tmp_path, monkeypatch, capsys):
    def of_backbone(cell, selection):
        return {"backbone": fingerprint(cell, selection)["backbone"]}

    monkeypatch.setattr(status, "fingerprint", of_backbone)
    assert tuned() == 0
    shutil.copytree(tuned.out / "seed0/b", tuned.out / "seed0/no_rung_any_more")
    publish(tuned.out.rename(tmp_path / "before"), tuned.out)
    assert not (tuned.out / "seed0/no_rung_any_more").exists()
    assert str(tmp_path) not in (tuned.out / "ladder.json").read_text()
    capsys.readouterr()
    assert tuned("--dry-run") == 0
    assert "\n16 done\n" in capsys.readouterr().out


def test_exported_tuning_cells_are_imported(tuned, tmp_path):
    tuned()
    assert tuned("--export", tmp_path / "e.tar.gz") == 0
    elsewhere = tmp_path / "elsewhere"
    assert (
        ladder(tmp_path / "mine.py", "--work-dir", elsewhere, "--import", tmp_path / "e.tar.gz")
        == 0
    )
    ours, theirs = (
        {p.relative_to(f) for p in f.rglob("cell.json")} for f in (tuned.out, elsewhere)
    )
    assert ours == theirs


@pytest.mark.parametrize(
    ("tune", "more", "told"),
    [
        (f"dict(detection={{'{LR}': []}})", "", "no list of values"),
        ("dict(detection={})", "", "gives no values"),
        (f"dict(detektion={{'{LR}': [0.1]}})", "", "unknown key 'detektion'"),
        (f"dict(detection={{'{LR}x': [0.1]}})", "", "lrx"),
        (f"dict(detection={{'{LR}': ['high']}})", "", "wants a number"),
        (f"dict(detection={{'{LR}': [True]}})", "", "is a number, not True"),
        (f"dict(detection={{'{LR}': [0.1, -0.1]}})", "", f"tune.detection ({LR}): give a finite"),
        ("dict(detection={'train_cfg.max_epochs': [2, 1.5]})", "", "1.5 is not a valid value"),
        ("dict(detection={'train_cfg.by_epoch': [True, 'maybe']})", "", "True or False, not 'ma"),
        ("dict(detection={'train_cfg.by_epoch': [1]})", "", "is True or False, not 1"),
        ("dict(detection={'optim_wrapper': [3]})", "", "optim_wrapper is a dict, not 3"),
        (f"dict(detection={{'{LR}': [[0.1]]}})", "", "cannot be tried"),
        (f"dict(detection={{'{LR}': [0.1, 0.1]}})", "", "gives a value twice"),
        (f"dict(detection={{'{LR}': [1, 1.0]}})", "", "gives a value twice"),
        (f"dict(detection={{'{LR}': [0.0, -0.0]}})", "", "gives a value twice"),
        (f"dict(detection={{'{LR}': [0.1, float('inf')]}})", "", "inf cannot be tried"),
        (f"dict(detection={{'{LR}': [float('nan')]}})", "", "nan cannot be tried"),
        (f"dict(detection={{'{LR}': ['1e-3']}})", "", "'1e-3' would be read as 0.001"),
        (f"dict(detection={{'{LR}': ['True']}})", "", "'True' would be read as True"),
        (f"dict(detection={{'{LR}': [0.1]}})", "tuning_seeds = [0]", "seed 0 is tuned with"),
        (f"dict(detection={{'{LR}': [0.1]}})", "tuning_seeds = []", "tuning_seeds are"),
        ("dict(detection={'lr': [0.1], 'base_lr': [0.2]})", "", "lr, base_lr name a knob twice"),
        ("[0.1]", "", "is not a dict"),
        (f"dict(detection={{{MANY}}})", "", "make a folder's name of 344 characters"),
        (f"dict(pretraining={{'{LR}y': [0.1]}})", "", "rungs.b.tune"),
    ],
)
def test_what_cannot_be_tuned_ends_before_any_training(tuned, capsys, tune, more, told):
    assert tuned(tune=tune, more=more) == 2
    assert told in capsys.readouterr().err
    assert not tuned.out.exists()


def test_seeds_that_an_earlier_call_reported_are_not_tuned_with(tuned, capsys):
    assert tuned("--seeds", 9, tune="None") == 0
    for flags in ((), ("--dry-run",), ("--keep-changed",)):
        assert tuned(*flags) == 2
        assert "seed 9 is tuned with and reported" in capsys.readouterr().err
    assert not (tuned.out / "tuning").exists()


def test_a_published_val_is_not_tuned_on(tuned, tmp_path, capsys):
    tasks = f"tasks = dict(detection=dict(config='{tmp_path}/det.py', published_split=True))"
    assert tuned(more=tasks) == 2
    assert "values would be chosen on test" in capsys.readouterr().err


def test_without_val_nothing_can_be_chosen(tuned, tmp_path, capsys):
    path = tmp_path / "det.py"
    path.write_text(path.read_text().replace("val_dataloader", "left_out"))
    assert tuned() == 2
    assert "no val split" in capsys.readouterr().err
