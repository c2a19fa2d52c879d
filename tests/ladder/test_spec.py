"""What a ladder config may say, and what it is told when it says something wrong."""

from pathlib import Path

import pytest

from engine.errors import UserError
from ladder.spec import read_ladder

ROOT = Path(__file__).resolve().parents[2]
B = ROOT / "configs/classification/resnet18-b_demo.py"
D = ROOT / "configs/classification/resnet18-d-all_demo.py"
DET = ROOT / "configs/detection/faster-rcnn_fpn_demo.py"
SEG = ROOT / "configs/segmentation/fcn_d8_demo.py"
RUNGS = f"""rungs = dict(
    scratch=None,
    b=dict(config={str(B)!r}, row="B-standard"),
    d=dict(config={str(D)!r}, teacher="b", label="D, all"),
)
"""
TASKS = f"tasks = dict(detection={str(DET)!r}, segmentation=dict(config={str(SEG)!r}))\n"
SEEDS = "seeds = [0, 1]\n"


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)

    def from_text(*parts: str, seeds=None):
        path = tmp_path / "mine.py"
        path.write_text("".join(parts))
        return read_ladder(path, seeds)

    return from_text


def test_rungs_tasks_and_seeds_are_read(read):
    ladder = read(RUNGS, TASKS, SEEDS)
    assert [rung.name for rung in ladder.rungs] == ["scratch", "b", "d"]
    assert [rung.label for rung in ladder.rungs] == ["scratch", "B-standard", "D, all"]
    assert [rung.kind for rung in ladder.rungs] == ["scratch", "config", "config"]
    assert ladder.rungs[2].teacher == "b"
    assert [(t.name, t.kind, t.metrics) for t in ladder.tasks] == [
        ("detection", "det", ("mAP_voc07",)),
        ("segmentation", "seg", ("pixAcc", "mIoU")),
    ]
    assert (ladder.seeds, ladder.reference, ladder.selection) == ((0, 1), "scratch", "last")


def test_the_papers_figures_come_with_the_row(read):
    published = read(RUNGS, TASKS, SEEDS).rungs[1].published
    assert (published["top1"], published["mAP_voc07"]) == (76.14, 77.54)
    assert (published["pixAcc"], published["mIoU"]) == (78.08, 37.05)


def test_seeds_are_matched_unless_a_config_says_shared(read):
    ladder = read(RUNGS, TASKS, SEEDS)
    assert {rung.seeds for rung in ladder.rungs} == {"matched"}
    shared = read(RUNGS, TASKS, SEEDS, "pretrain_seeds = 'shared'\n")
    assert [rung.seeds for rung in shared.rungs] == ["matched", "shared", "shared"]


def test_a_public_model_is_always_shared(read):
    rungs = "rungs = dict(scratch=None, public=dict(model='resnet50d.gluon_in1k'))\n"
    rung = read(rungs, TASKS, SEEDS).rungs[1]
    assert (rung.kind, rung.seeds) == ("model", "shared")


def test_without_scratch_the_first_rung_is_the_reference(read):
    rungs = f"rungs = dict(b=dict(config={str(B)!r}), d=dict(config={str(D)!r}))\n"
    assert read(rungs, TASKS, SEEDS).reference == "b"


def test_other_seeds_leave_the_shared_backbones_seed_alone(read):
    ladder = read(RUNGS, TASKS, SEEDS, seeds=[3, 4])
    assert (ladder.seeds, ladder.shared_seed) == ((3, 4), 0)


WRONG = [
    ((RUNGS, TASKS, SEEDS, "referenze = 'b'\n"), "referenze"),
    ((TASKS, SEEDS), "rungs"),
    ((RUNGS, TASKS, "seeds = [1, 1]\n"), "seeds"),
    ((RUNGS, TASKS, "seeds = [0.5]\n"), "seeds"),
    (("rungs = dict(a=3)\n", TASKS, SEEDS), "rungs.a"),
    (("rungs = dict(a=dict(config='none.py'))\n", TASKS, SEEDS), "none.py"),
    (("rungs = dict(a=dict(file='none.safetensors'))\n", TASKS, SEEDS), "none.safetensors"),
    (("rungs = dict(a=dict(model='resnet51'))\n", TASKS, SEEDS), "resnet51"),
    ((f"rungs = dict(a=dict(config={str(B)!r}, file='b'))\n", TASKS, SEEDS), "config and file"),
    ((f"rungs = dict(a=dict(konfig={str(B)!r}))\n", TASKS, SEEDS), "konfig"),
    ((f"rungs = dict(a=dict(config={str(B)!r}, teacher='z'))\n", TASKS, SEEDS), "'z'"),
    ((f"rungs = dict(a=dict(config={str(B)!r}, row='E'))\n", TASKS, SEEDS), "'E'"),
    ((f"rungs = {{'../a': dict(config={str(B)!r})}}\n", TASKS, SEEDS), "../a"),
    ((RUNGS, f"tasks = dict(t={str(B)!r})\n", SEEDS), "tasks.t"),
    ((RUNGS, f"tasks = dict(pretraining={str(DET)!r})\n", SEEDS), "tasks.pretraining"),
    ((RUNGS, TASKS, SEEDS, "selection = 'best'\n"), "selection"),
    ((RUNGS, TASKS, SEEDS, "reference = 'z'\n"), "reference"),
    ((RUNGS, TASKS, SEEDS, "pretrain_seeds = 'some'\n"), "pretrain_seeds"),
]


@pytest.mark.parametrize(("parts", "named"), WRONG, ids=[named for _, named in WRONG])
def test_a_mistake_is_named_with_its_place(read, parts, named):
    with pytest.raises(UserError) as error:
        read(*parts)
    assert named in str(error.value)
    assert error.value.exit_code == 2
    assert len(WRONG) == 18


def test_a_task_without_test_split_is_refused(read, tmp_path):
    config = tmp_path / "no_test.py"
    config.write_text(f"_base_ = [{str(DET)!r}]\ntest_dataloader = None\n")
    with pytest.raises(UserError, match="no test split"):
        read(RUNGS, f"tasks = dict(t={str(config)!r})\n", SEEDS)


def test_picking_on_val_needs_a_val_split_of_its_own(read):
    tasks = f"tasks = dict(t=dict(config={str(DET)!r}, published_split=True))\n"
    assert read(RUNGS, tasks, SEEDS).tasks[0].published_split
    with pytest.raises(UserError, match="selection"):
        read(RUNGS, tasks, SEEDS, "selection = 'val'\n")
