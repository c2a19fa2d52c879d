"""A task whose values are chosen on a part of its training images."""

from pathlib import Path

import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.plan.spec import Task
from bag_of_transfer.ladder.plan.tasks import read_tasks
from bag_of_transfer.ladder.run.overlap import check_splits
from tests.ladder.fake_ladder import ladder

ROOT = Path(__file__).resolve().parents[2]
DET = str(ROOT / "configs/detection/faster-rcnn_fpn_demo.py")
NO_VAL = ["val_dataloader=None", "val_cfg=None", "val_evaluator=None"]
RATES = {"optim_wrapper.optimizer.lr": [0.01, 0.02]}


def read(tune: object = RATES, selection: str = "last", **stated: object) -> Task:
    tasks = dict(det=dict(config=DET, **stated))
    (made,) = read_tasks(tasks, selection, Path("mine.py"), dict(det=tune) if tune else {})
    return made


def test_only_the_runs_that_choose_hold_a_part_out() -> None:
    task = read(held_out=dict(fraction=0.25), published_split=True)
    assert task.held_out == ("held_out.fraction=0.25", "held_out.seed=0")
    assert task.cfg_options == ()


def test_it_stands_for_a_val_split_that_the_task_lacks() -> None:
    for chosen_on_test in (dict(cfg_options=NO_VAL), dict(published_split=True)):
        with pytest.raises(UserError, match="held_out=dict"):
            read(**chosen_on_test)
        assert read(held_out=dict(fraction=0.5), **chosen_on_test).held_out


def test_all_runs_may_hold_a_part_out_and_pick_on_it() -> None:
    with pytest.raises(UserError, match="no checkpoint can be picked on val"):
        read(tune=None, selection="val", cfg_options=NO_VAL)
    assert read(tune=None, selection="val", cfg_options=[*NO_VAL, "held_out.fraction=0.5"])


def test_one_metric_chooses_values_and_picks_the_checkpoint() -> None:
    best_by = "default_hooks.checkpoint.save_best={}".format
    stated = dict(selection="val", cfg_options=[best_by("mAP_area")])
    with pytest.raises(
        UserError, match="chosen by mAP_voc07, but the checkpoint is picked by mAP_"
    ):
        read(**stated)
    assert read(tune=None, **stated)
    assert read(cfg_options=[best_by("mAP_area")])  # the last checkpoint counts
    for same in ("auto", "mAP_voc07"):
        assert read(selection="val", cfg_options=[best_by(same)])
    assert read(selection="val", cfg_options=[best_by("[mAP_voc07]")])
    coco = ["val_evaluator.type=CocoBoxMetric"]  # whose first metric "auto" is
    with pytest.raises(UserError, match="chosen by mAP_voc07, but the checkpoint is picked by AP"):
        read(selection="val", cfg_options=[best_by("auto"), *coco])
    for tune in (RATES, None):
        with pytest.raises(UserError, match="save_best names several metrics"):
            read(tune=tune, selection="val", cfg_options=[best_by("[mAP_voc07,mAP_area]")])


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("dict(fraction=2)", "2 is not a valid value: {0}: tasks.det.held_out.fraction: "),
        ("dict(fraction=0.0)", "0.0 is not a valid value: {0}: tasks.det.held_out.fraction: "),
        ("dict(fraction='0.2')", "'0.2' is not a valid value: {0}: tasks.det.held_out.fraction: "),
        ("dict(seed=1)", "None is not a valid value: {0}: tasks.det.held_out.fraction: "),
        ("dict(fraction=0.2, seed=0.5)", "0.5 is not a valid value: {0}: tasks.det.held_out.seed:"),
        ("dict(fraction=0.2, sed=1)", "unknown key 'sed': {0}: tasks.det.held_out: "),
        ("0.2", "0.2 is not a dict: {0}: tasks.det.held_out: "),
    ],
)
def test_wrong_values_end_the_ladder_before_training(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], stated: str, message: str
) -> None:
    config = tmp_path / "mine.py"
    config.write_text(
        f"rungs = dict(scratch=None)\nseeds = [0]\ntune = dict(det={RATES})\n"
        f"tasks = dict(det=dict(config={DET!r}, held_out={stated}))\n"
    )
    assert ladder(config, "--work-dir", tmp_path / "out") == 2
    assert f"error: {message.format(config)}" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_metric_that_cannot_judge_the_part_is_told_before_the_ladder_begins() -> None:
    masks = [
        "val_evaluator.type=CocoMetric",
        "val_evaluator.metric=segm",
        "val_evaluator.ann_file=a",
    ]
    with pytest.raises(UserError, match="CocoMetric would judge all images of ann_file"):
        read(held_out=dict(fraction=0.2), cfg_options=masks)


def test_held_out_images_are_not_those_of_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Val, whose images are those of test, does not count where it is replaced."""
    built: list[str] = []
    monkeypatch.setattr(
        "bag_of_transfer.ladder.run.overlap.DATASETS.build",
        lambda cfg: built.append(cfg["type"]) or [],
    )
    task = read(tune=None, cfg_options=["held_out.fraction=0.5"])
    check_splits([task])
    assert built == ["held_out_part", "VocFormat"]
