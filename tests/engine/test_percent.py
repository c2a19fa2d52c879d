"""Stock metrics are replaced where ours say the same, and only there."""

import pytest
from mmengine.config import Config

import bag_of_transfer.classification.metrics
import bag_of_transfer.detection
import bag_of_transfer.segmentation  # noqa: F401  their metrics stand for mmdet's and mmseg's
from bag_of_transfer.engine.data.own_metrics import check_watched_metrics, judge_in_percent
from bag_of_transfer.engine.errors import UserError


def judged(metric: dict | list, **more: object) -> Config:
    cfg = Config(dict(val_evaluator=metric, test_evaluator=metric, **more))
    cfg.lines = judge_in_percent(cfg)
    return cfg


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (dict(type="VOCMetric", metric="mAP", eval_mode="11points"), dict(type="VocMetric")),
        (
            dict(type="CocoMetric", ann_file="val.json", metric="bbox", backend_args=None),
            dict(type="CocoBoxMetric", ann_file="val.json"),
        ),
        (dict(type="CocoMetric", metric=["bbox"]), dict(type="CocoBoxMetric")),
        (
            dict(type="IoUMetric", iou_metrics=["mIoU"], ignore_index=254),
            dict(type="SegMetric", ignore_index=254),
        ),
        (dict(type="IoUMetric"), dict(type="SegMetric")),
    ],
)
def test_a_metric_that_ours_can_stand_for_is_replaced(theirs: dict, ours: dict) -> None:
    for metric in (theirs, [theirs], dict(metrics=[theirs])):
        cfg = judged(metric)
        for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
            inner = evaluator.metrics if "metrics" in evaluator else evaluator
            assert (inner[0] if isinstance(inner, list) else inner) == ours
        assert cfg.lines == [f"metric: {theirs['type']} -> {ours['type']}, percent"]


@pytest.mark.parametrize(
    "theirs",
    [
        dict(type="CocoMetric", metric=["bbox", "segm"]),
        dict(type="CocoMetric", metric="proposal"),
        dict(type="CocoMetric", metric="bbox", format_only=True),
        dict(type="VOCMetric", metric="recall"),
        dict(type="IoUMetric", iou_metrics=["mIoU", "mFscore"]),
        dict(type="SegMetric"),
        dict(type="CityscapesMetric"),
    ],
)
def test_any_other_metric_stays(theirs: dict) -> None:
    cfg = judged(theirs)
    assert cfg.val_evaluator == theirs
    assert not cfg.lines


def test_save_best_follows_to_the_new_name() -> None:
    hooks = dict(checkpoint=dict(type="CheckpointHook", save_best="coco/bbox_mAP_50"))
    cfg = judged(dict(type="CocoMetric"), default_hooks=hooks)
    assert cfg.default_hooks.checkpoint.save_best == "AP50"


def test_a_config_without_evaluators_is_left_alone() -> None:
    assert judge_in_percent(Config(dict(val_evaluator=None))) == []


def with_save_best(name: object, *evaluators: str) -> Config:
    hooks = dict(checkpoint=dict(save_best=name))
    return Config(dict(val_evaluator=[dict(type=one) for one in evaluators], default_hooks=hooks))


@pytest.mark.parametrize("name", ["top1", "auto", None, ["top1", "top5"]])
def test_save_best_may_name_what_the_evaluator_gives(name: object) -> None:
    check_watched_metrics(with_save_best(name, "TopK"))


def test_save_best_of_another_name_is_refused_before_training() -> None:
    with pytest.raises(UserError, match=r"'top2': .*save_best: use one of top1, top5"):
        check_watched_metrics(with_save_best("top2", "TopK"))


def test_an_evaluator_that_does_not_say_its_names_may_give_any() -> None:
    check_watched_metrics(with_save_best("mFscore", "TopK", "DumpResults"))
