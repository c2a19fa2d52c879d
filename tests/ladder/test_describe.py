"""``ladder.json`` is what the report reads, and no call drops what an earlier one made."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bag_of_transfer.ladder.plan.plan_file import (
    describe,
    identity,
    read_plan,
    with_seeds,
    write_plan,
)
from bag_of_transfer.ladder.plan.spec import Ladder, Rung, Task
from bag_of_transfer.ladder.report.results import read_results

TEACHER = Rung("t", "config", "t.py", label="t", teaches_only=True)
B = Rung("b", "config", "configs/b.py", label="b", teacher="t", seeds="shared")
DET = Task("detection", "det", Path("det.py"), ("mAP_voc07",))
LADDER = Ladder("mine", Path("mine.py"), (TEACHER, B), (DET,), (0, 1), 0, reference="b")


def seeds_after(root: Path, *ladders: Ladder) -> list[int]:
    """Write plans one after another, each seed begun in between."""
    for ladder in ladders:
        write_plan(ladder, root)
        for seed in ladder.seeds:
            (root / f"seed{seed}").mkdir(parents=True, exist_ok=True)
    return json.loads((root / "ladder.json").read_text())["seeds"]


def test_the_report_reads_what_is_written(tmp_path):
    write_plan(replace(LADDER, seeds=(4, 5)), tmp_path)
    read = read_results(tmp_path)
    assert list(read.rungs) == ["b"]
    assert {cell.name for cell in read.cells} == {
        "b / pretraining / seed 0",  # the shared one
        *("b / detection / seed 4", "b / detection / seed 5"),
    }
    assert read_plan(tmp_path)["teachers"]["t"]["config"] == "t.py"


def test_labels_with_commas_are_told_apart_in_the_footnote_on_random_weights():
    labels = ("scratch, D", "scratch, B")
    rungs = tuple(Rung(f"s{number}", "scratch", label=each) for number, each in enumerate(labels))
    (note,) = describe(replace(LADDER, rungs=rungs, reference="s0"))["notes"]
    assert note.startswith("scratch, D; scratch, B: random weights, ")


def test_more_seeds_later_leave_the_earlier_ones_in_the_plan(tmp_path):
    assert seeds_after(tmp_path, replace(LADDER, seeds=(3, 2)), LADDER) == [0, 1, 2, 3]
    relabelled = replace(LADDER, rungs=(TEACHER, replace(B, label="B")), seeds=(4,))
    assert seeds_after(tmp_path, relabelled) == [0, 1, 2, 3, 4]


def test_seeds_that_were_never_begun_are_left_out(tmp_path):
    write_plan(replace(LADDER, seeds=(7,)), tmp_path)
    assert seeds_after(tmp_path, LADDER) == [0, 1]


@pytest.mark.parametrize(
    "changed",
    [
        dict(rungs=(TEACHER, replace(B, name="c"))),
        dict(rungs=(TEACHER, replace(B, source="configs/c.py"))),
        dict(tasks=(DET, replace(DET, name="more"))),
    ],
    ids=["rung", "config", "task"],
)
def test_another_ladder_begins_with_its_own_seeds(tmp_path, changed):
    assert seeds_after(tmp_path, LADDER, replace(LADDER, seeds=(4,), **changed)) == [4]


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", "{}", '{"rungs": [], "tasks": {}, "seeds": [0]}'),
        *(
            '{"rungs": {"b": 1}, "tasks": {}, "seeds": [0]}',
            '{"rungs": {}, "tasks": {}, "seeds": ["0"]}',
        ),
    ],
)
def test_a_damaged_plan_is_written_anew(tmp_path, text):
    (tmp_path / "ladder.json").write_text(text)
    assert read_plan(tmp_path) is None
    assert seeds_after(tmp_path, LADDER) == [0, 1]


def test_a_rung_is_told_by_kind_config_and_model_wherever_they_lie():
    def of(rung: Rung) -> tuple[str, ...]:
        return identity(describe(replace(LADDER, rungs=(rung,)))["rungs"]["b"])

    student = replace(B, teaches_only=False)
    assert of(student) == of(replace(student, source="/elsewhere/b.py", label="other"))
    assert of(student) != of(replace(student, source="configs/c.py"))
    model, file = (replace(student, kind=kind, source="x") for kind in ("model", "file"))
    assert len({of(model), of(file), of(replace(model, source="y"))}) == 3
    assert of(file) == of(replace(file, source="y"))  # its content is in the cell's fingerprint


def test_seeds_are_in_order():
    assert with_seeds({"seeds": [4, 0], "name": "a"}, [3, 0]) == {"seeds": [0, 3, 4], "name": "a"}


def test_margins_reach_the_report_and_an_older_plan_has_the_defaults(tmp_path):
    seg = Task("segmentation", "seg", Path("seg.py"), ("pixAcc", "mIoU"))
    write_plan(replace(LADDER, tasks=(DET, seg), margins={"mIoU": 2.0}), tmp_path)
    plan = json.loads((tmp_path / "ladder.json").read_text())
    assert plan["margins"] == {"top1": 0.5, "mAP_voc07": 1.0, "pixAcc": 0.5, "mIoU": 2.0}
    assert read_results(tmp_path).margin("mIoU") == 2.0
    write_plan(replace(LADDER, margins={"mAP_area": 3.0}), tmp_path / "area")
    beside = read_results(tmp_path / "area")
    assert [beside.margin(name) for name in ("mAP_voc07", "mAP_area")] == [1.0, 3.0]
    del plan["margins"], plan["sha256"]
    (tmp_path / "ladder.json").write_text(json.dumps(plan))
    old = read_results(tmp_path)
    assert [old.margin(name) for name in ("mAP_voc07", "AP", "mIoU", "top1")] == [1, 1, 0.5, 0.5]
