"""Stock metrics are replaced where ours say the same, and only there."""

import pytest
from mmengine.config import Config

from engine.percent import judge_in_percent


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
    for metric in (theirs, [theirs]):
        cfg = judged(metric)
        for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
            assert (evaluator[0] if isinstance(evaluator, list) else evaluator) == ours
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
