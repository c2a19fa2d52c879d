"""Which cells a ladder has, in which order, with which commands."""

from dataclasses import replace
from pathlib import Path

import pytest

from bag_of_transfer.ladder.plan.cells import commands
from bag_of_transfer.ladder.plan.planning import plan
from bag_of_transfer.ladder.plan.spec import Ladder, Rung, Task

OUT = Path("out")
SHORT = "train_cfg.max_epochs=1"
SCRATCH = Rung("scratch", "scratch")
B = Rung("b", "config", "b.py")
D = Rung("d", "config", "d.py", teacher="b", cfg_options=(SHORT,))
PUBLIC = Rung("public", "model", "resnet50d.gluon_in1k", seeds="shared")
MINE = Rung("mine", "file", "mine.safetensors", seeds="shared")
DET = Task("detection", "det", Path("det.py"), ("mAP_voc07",))
SEG = Task("segmentation", "seg", Path("seg.py"), ("pixAcc", "mIoU"), cfg_options=(SHORT,))


def ladder(*rungs: Rung, seeds=(0, 1), shared_seed=0) -> Ladder:
    return Ladder(
        "mine", Path("mine.py"), rungs, (DET, SEG), seeds, shared_seed, reference=rungs[0].name
    )


def by_key(*rungs: Rung, **changed):
    return {cell.key: cell for cell in plan(ladder(*rungs, **changed), OUT).cells}


def test_every_rung_meets_every_task_with_every_seed():
    cells = plan(ladder(SCRATCH, B, D), OUT).cells
    tuned = {cell.key for cell in cells if cell.task}
    assert len(tuned) == 2 * 3 * 2
    assert len(cells) == len(tuned) + 2 * 2  # scratch has no pretraining


def test_what_a_cell_needs_stands_before_it():
    cells = plan(ladder(SCRATCH, B, D, PUBLIC), OUT).cells
    keys = [cell.key for cell in cells]
    for index, cell in enumerate(cells):
        assert all(need in keys[:index] for need in cell.needs)
    assert by_key(SCRATCH, B, D)["seed1/d/pretraining"].needs == ("seed1/b/pretraining",)


def test_backbone_k_is_trained_and_tuned_with_seed_k():
    cells = by_key(B)
    assert cells["seed1/b/detection"].start == "out/seed1/b/pretraining/backbone.safetensors"
    train = commands(cells["seed1/b/detection"], "last", resume=False)[0].words
    assert train[train.index("--seed") + 1] == "1"
    assert train[train.index("--backbone") + 1] == cells["seed1/b/detection"].start


@pytest.mark.parametrize("rung", [PUBLIC, MINE], ids=["model", "file"])
def test_a_shared_backbone_is_made_once(rung):
    cells = by_key(SCRATCH, rung, seeds=(1, 2), shared_seed=1)
    made = [key for key in cells if key.endswith("pretraining")]
    assert made == [f"seed1/{rung.name}/pretraining"]
    assert cells[f"seed2/{rung.name}/detection"].backbone_seed == 1
    assert cells[f"seed2/{rung.name}/detection"].needs == tuple(made)


def test_the_student_is_told_its_teachers_checkpoint_of_the_same_seed():
    train = commands(by_key(B, D)["seed1/d/pretraining"], "last", resume=False)[0].words
    options = train[train.index("--cfg-options") + 1 :]
    teacher = "model.distillation.teacher.checkpoint=out/seed1/b/pretraining/last_checkpoint"
    assert options == (SHORT, teacher)


def test_a_student_of_stored_answers_has_them_stored_first():
    cached = replace(D, cached=True)
    cells = by_key(B, cached)
    made, *rest = commands(cells["seed1/d/pretraining"], "last")
    answers = "out/seed1/d/pretraining/answers"
    assert made.words[:5] == ("tools/cache_teacher.py", "d.py", answers, "--seed", "1")
    for command in (made, rest[0]):
        assert f"model.distillation.cache={answers}" in command.words
    assert [command.tool for command in rest] == [
        command.tool for command in commands(cells["seed1/b/pretraining"], "last")
    ]


def test_a_shared_students_teacher_is_planned_with_the_shared_seed():
    student = replace(D, seeds="shared")
    cells = by_key(B, student, seeds=(4, 5), shared_seed=0)
    assert cells["seed0/d/pretraining"].needs == ("seed0/b/pretraining",)
    made = [key for key in cells if key.endswith("pretraining")]
    first = ["seed4/b/pretraining", "seed0/b/pretraining", "seed0/d/pretraining"]
    assert made == [*first, "seed5/b/pretraining"]
    assert cells["seed5/d/detection"].needs == ("seed0/d/pretraining",)
    assert "seed0/b/detection" not in cells


def test_scratch_is_asked_for_by_its_word():
    train = commands(by_key(SCRATCH)["seed0/scratch/detection"], "last", resume=False)[0].words
    assert train[train.index("--backbone") + 1] == "scratch"


def test_a_rung_may_change_every_tasks_config():
    other = Rung("scratch_b", "scratch", task_options=("model.backbone.type=ResNetB",))
    for command in commands(by_key(other)["seed0/scratch_b/segmentation"], "last"):
        words = command.words
        assert words[words.index("--cfg-options") + 1 :][:2] == (SHORT, *other.task_options)


def test_pretraining_is_trained_exported_and_tested():
    made = commands(by_key(B)["seed0/b/pretraining"], "last", resume=False)
    tools = ["tools/train_cls.py", "tools/export_backbone.py", "tools/test_cls.py"]
    assert [command.tool for command in made] == tools


def test_a_public_model_is_converted_and_a_file_only_copied():
    cells = by_key(PUBLIC, MINE)
    converted = commands(cells["seed0/public/pretraining"], "last", resume=False)
    assert [command.words[:2] for command in converted] == [
        ("tools/convert_weights.py", PUBLIC.source)
    ]
    assert commands(cells["seed0/mine/pretraining"], "last", resume=False) == []


def test_a_cell_that_was_cut_off_is_resumed_and_no_other():
    cell = by_key(B)["seed0/b/detection"]
    assert "--resume" in commands(cell, "last", resume=True)[0].words
    assert not any("--resume" in one.words for one in commands(cell, "last", resume=False))


def test_the_last_checkpoint_is_tested_or_the_best_on_val():
    cell = by_key(B)["seed0/b/segmentation"]
    last, best = (commands(cell, choice, resume=False)[1].words for choice in ("last", "val"))
    assert Path(last[2]).name == "last_checkpoint"
    assert Path(best[2]).name == "best"
    # a classifier is never picked: its test split may be its val split
    pretrained = commands(by_key(B)["seed0/b/pretraining"], "val", resume=False)[2].words
    assert Path(pretrained[2]).name == "last_checkpoint"


def test_overrides_of_a_task_reach_training_and_test():
    train, test = commands(by_key(B)["seed0/b/segmentation"], "last", resume=False)
    assert train.words[-2:] == test.words[-2:] == ("--cfg-options", SHORT)
