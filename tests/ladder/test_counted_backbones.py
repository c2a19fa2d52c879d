"""How tables count cells without a backbone of their own: a shared one, or one that was lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.ladder.report.costs import pretraining_minutes
from bag_of_transfer.ladder.report.findings import compare_top1, find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes, not_done_notes
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.ladder.report.tables import difference_table
from tests.ladder import drawn_ladder as drawn

LOST = {"status": "failed", "reason": "the loss is nan"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a plan of two seeds: ``d_all`` learns from ``big``, which learns from ``giant``."""
    plan = drawn.plan(2)
    teacher = {**plan["rungs"]["b_standard"], "published": {}}
    plan["teachers"] = {"giant": teacher, "big": {**teacher, "teacher": "giant"}}
    plan["rungs"]["d_all"]["teacher"] = "big"
    drawn.write(tmp_path / "ladder.json", plan)
    return tmp_path


def state(folder: Path, shared_seed: int, **seeds: str) -> None:
    """State of some rungs whether their pretrainings are matched or shared."""
    plan = json.loads((folder / "ladder.json").read_text())
    for name, kind in seeds.items():
        plan["rungs" if name in plan["rungs"] else "teachers"][name]["seeds"] = kind
    drawn.write(folder / "ladder.json", {**plan, "shared_seed": shared_seed})


def pretrained(folder: Path, rung: str, seed: int, **changed: Any) -> None:
    record = {**drawn.record(rung, "pretraining", seed), **changed}
    drawn.write(folder / f"seed{seed}/{rung}/pretraining/cell.json", record)


def lost(ladder: LadderResults, rung: str = "d_all") -> tuple[int, int]:
    return ladder.num_diverged(rung, "pretraining"), ladder.num_diverged(rung, "detection")


@pytest.mark.parametrize("teacher", ["big", "giant"])
def test_students_of_a_lost_teacher_that_is_in_no_table_are_counted(
    folder: Path, teacher: str
) -> None:
    pretrained(folder, teacher, 0, **LOST)
    ladder = read_results(folder)
    assert lost(ladder) == (1, 1)
    assert lost(ladder, "b_standard") == (0, 0)
    assert not ladder.values("pretraining", "top1").keys() & {"big", "giant"}
    said = "missing (the pretraining of B-standard diverged)."
    assert f"d_all / detection / seed 0: {said}" in not_done_notes(ladder)
    assert "d_all / detection / seed 1: missing (not begun)." in not_done_notes(ladder)
    notes = footnotes(ladder, find(ladder), find_top1(ladder))
    assert any(note.startswith("Diverged: ") for note in notes)


def test_a_lost_backbone_that_seeds_share_is_counted_for_each_of_them(folder: Path) -> None:
    """The shared seed is none of the tables'."""
    state(folder, 7, d_all="shared")
    pretrained(folder, "giant", 7, **LOST)
    assert lost(read_results(folder)) == (1, 2)


def test_a_teacher_that_was_lost_with_a_seed_that_no_student_needs_counts_nowhere(
    folder: Path,
) -> None:
    state(folder, 0, big="shared")
    pretrained(folder, "big", 1, **LOST)
    assert lost(read_results(folder)) == (0, 0)


def test_teachers_that_go_round_in_a_plan_end_nowhere(folder: Path) -> None:
    plan = json.loads((folder / "ladder.json").read_text())
    plan["teachers"]["giant"]["teacher"] = "big"
    drawn.write(folder / "ladder.json", plan)
    assert lost(read_results(folder)) == (0, 0)


def test_a_students_cost_has_that_of_its_teachers_teacher(folder: Path) -> None:
    for rung in ("giant", "big", "d_all"):
        pretrained(folder, rung, 0, train={"seconds": 60.0})
    drawn.write(folder / "seed0/d_all/pretraining/metrics.json", {"metrics": {"top1": 1.0}})
    assert pretraining_minutes(read_results(folder))["d_all"] == 3


@pytest.mark.parametrize("reference", ["b_standard", "d_all"])
def test_a_backbone_that_seeds_share_is_counted_once_in_top1(folder: Path, reference: str) -> None:
    state(folder, 0, d_all="shared")
    for rung in ("b_standard", "d_all"):
        drawn.draw_pretraining(folder, rung, 0)
    plan = json.loads((folder / "ladder.json").read_text())
    drawn.write(folder / "ladder.json", {**plan, "reference": reference})
    ladder = read_results(folder)
    top1 = compare_top1(ladder, find_top1(ladder))
    assert top1 is not None
    assert difference_table(ladder, [top1]).rows[0][-2].text == "1 of 1"


@pytest.mark.parametrize("shared", [(), ("b_standard",), ("big",), ("giant",), ("giant", "d_all")])
def test_a_teacher_that_is_not_repeated_is_footnoted(folder: Path, shared: tuple[str, ...]) -> None:
    state(folder, 0, **dict.fromkeys(shared, "shared"))
    ladder = read_results(folder)
    said = f"{ladder.label('d_all')}: every seed learned from the same B-standard, "
    notes = footnotes(ladder, find(ladder), find_top1(ladder))
    assert any(note.startswith(said) for note in notes) == (shared in (("big",), ("giant",)))
