"""Which cells a ladder has, in which order, with which commands."""

import pytest
from mmengine.config import Config

from engine.errors import UserError
from ladder.plan import plan

SHORT = ["train_cfg.max_epochs=1"]


def ladder(tmp_path, **changed):
    for name in ("b.py", "d.py", "det.py", "seg.py"):
        (tmp_path / name).write_text("")
    stated = dict(
        rungs=dict(
            scratch=None,
            b=dict(config=str(tmp_path / "b.py")),
            d=dict(
                config=str(tmp_path / "d.py"), teacher="b", cfg_options=["train_cfg.max_epochs=1"]
            ),
        ),
        tasks=dict(det=str(tmp_path / "det.py"), seg=str(tmp_path / "seg.py")),
        seeds=[0, 1],
    )
    return Config({**stated, **changed})


def test_every_rung_meets_every_task_with_every_seed(tmp_path):
    cells = plan(ladder(tmp_path), tmp_path / "out")
    tuned = [(c.seed, c.rung, c.task) for c in cells if c.task != "pretraining"]
    assert len(tuned) == len(set(tuned)) == 2 * 3 * 2
    assert len(cells) == len(tuned) + 2 * 2  # scratch has no pretraining


def test_backbones_come_before_what_needs_them_and_teachers_before_students(tmp_path):
    order = [(c.rung, c.task) for c in plan(ladder(tmp_path), tmp_path / "out") if c.seed == 1]
    assert order.index(("b", "pretraining")) < order.index(("d", "pretraining"))
    assert order.index(("d", "pretraining")) < order.index(("d", "det"))


def test_backbone_k_is_trained_and_tuned_with_seed_k(tmp_path):
    cells = {(c.rung, c.task, c.seed): c for c in plan(ladder(tmp_path), tmp_path / "out")}
    exported = cells["d", "pretraining", 1].commands[1][2]
    train = cells["d", "det", 1].commands[0]
    assert train[train.index("--backbone") + 1] == exported
    assert train[train.index("--seed") + 1] == "1"
    assert "seed1" in exported


def test_the_student_is_told_its_teachers_checkpoint_of_the_same_seed(tmp_path):
    cells = {(c.rung, c.task, c.seed): c for c in plan(ladder(tmp_path), tmp_path / "out")}
    command = cells["d", "pretraining", 1].commands[0]
    teacher = next(word for word in command if word.startswith("model.distillation"))
    assert teacher.endswith("seed1/b/pretraining/last_checkpoint")
    assert SHORT[0] in command


def test_scratch_is_asked_for_by_its_word(tmp_path):
    cells = [c for c in plan(ladder(tmp_path), tmp_path / "out") if c.rung == "scratch"]
    assert len(cells) == 4
    for cell in cells:
        train = cell.commands[0]
        assert train[train.index("--backbone") + 1] == "scratch"


def test_a_run_that_was_cut_off_is_resumed(tmp_path):
    begun = tmp_path / "out/seed0/scratch/det"
    begun.mkdir(parents=True)
    (begun / "last_checkpoint").write_text("epoch_1.pth")
    resumed = [c for c in plan(ladder(tmp_path), tmp_path / "out") if "--resume" in c.commands[0]]
    assert [(c.rung, c.task, c.seed) for c in resumed] == [("scratch", "det", 0)]


def test_a_teacher_that_is_no_earlier_rung_is_an_error(tmp_path):
    cfg = ladder(tmp_path)
    cfg.rungs.b.teacher = "d"
    with pytest.raises(UserError, match=r"'d'.*rungs\.b\.teacher"):
        plan(cfg, tmp_path / "out")


def test_a_missing_config_is_named_with_its_key(tmp_path):
    cfg = ladder(tmp_path, tasks=dict(det=str(tmp_path / "nowhere.py")))
    with pytest.raises(UserError, match=r"nowhere\.py.*tasks\.det"):
        plan(cfg, tmp_path / "out")
