"""Stock metrics are replaced where ours say the same, and only there."""

from importlib import import_module

import pytest
from mmengine.config import Config

import bag_of_transfer.classification.metrics
import bag_of_transfer.detection
import bag_of_transfer.segmentation  # noqa: F401  their metrics stand for mmdet's and mmseg's
from bag_of_transfer.engine.data.own_metrics import judge_in_percent
from bag_of_transfer.engine.data.watched_metrics import settle_watched_metrics
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
        (dict(type="VOCMetric", iou_thrs=[0.5]), dict(type="VocMetric")),
        (dict(type="mmdet.CocoMetric", classwise=True), dict(type="CocoBoxMetric")),
        (
            dict(type="CocoMetric", proposal_nums=[100, 1, 10], outfile_prefix=None),
            dict(type="CocoBoxMetric"),
        ),
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
    ("test_cfg", "more", "is_told"),
    [
        (dict(rpn=dict(max_per_img=1000), rcnn=dict(max_per_img=100)), {}, False),
        (dict(rpn=dict(max_per_img=1000), rcnn=dict(max_per_img=101)), {}, True),
        (dict(max_per_img=300), {}, True),
        (dict(max_per_img=300), dict(proposal_nums=(100, 1, 10)), False),
        (dict(max_per_img=None), {}, False),
        (None, {}, False),
    ],
)
def test_a_line_says_that_cocos_values_take_100_boxes_where_a_detector_gives_more(
    test_cfg: dict | None, more: dict, is_told: bool
) -> None:
    cfg = judged(dict(type="CocoMetric", **more), model=dict(test_cfg=test_cfg))
    note = "; at most 100 boxes of an image count (mmdet's: in bbox_mAP, in the others 1000)"
    assert cfg.lines == [f"metric: CocoMetric -> CocoBoxMetric, percent{note * is_told}"]


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (dict(type="CocoMetric", metric=["bbox", "segm"]), "metric=['bbox', 'segm']"),
        (dict(type="CocoMetric", metric="proposal"), "metric='proposal'"),
        (dict(type="CocoMetric", metric="bbox", format_only=True), "format_only=True"),
        (dict(type="CocoMetric", iou_thrs=[0.75]), "iou_thrs=[0.75]"),
        (dict(type="CocoMetric", proposal_nums=(1, 10, 20)), "proposal_nums=(1, 10, 20)"),
        (dict(type="CocoMetric", metric_items=["mAP_50"]), "metric_items=['mAP_50']"),
        (dict(type="CocoMetric", outfile_prefix="out/test"), "outfile_prefix='out/test'"),
        (dict(type="VOCMetric", metric="recall"), "metric='recall'"),
        (
            dict(type="VOCMetric", iou_thrs=[0.75, 0.9], eval_mode="area"),
            "iou_thrs=[0.75, 0.9], eval_mode='area'",
        ),
        (
            dict(type="IoUMetric", iou_metrics=["mIoU", "mFscore"]),
            "iou_metrics=['mIoU', 'mFscore']",
        ),
        (dict(type="IoUMetric", nan_to_num=0), "nan_to_num=0"),
        (dict(type="IoUMetric", prefix="val"), "prefix='val'"),
        (dict(type="SegMetric"), ""),
        (dict(type="CityscapesMetric"), ""),
    ],
)
def test_any_other_metric_stays_and_the_line_says_why(theirs: dict, reason: str) -> None:
    cfg = judged(theirs)
    assert cfg.val_evaluator == theirs
    assert cfg.lines == ([f"metric: {theirs['type']} stays as it is: {reason}"] if reason else [])


def test_save_best_follows_to_the_new_name() -> None:
    hooks = dict(checkpoint=dict(type="CheckpointHook", save_best="coco/bbox_mAP_50"))
    cfg = judged(dict(type="CocoMetric"), default_hooks=hooks)
    assert cfg.default_hooks.checkpoint.save_best == "AP50"


def test_all_that_follows_a_metric_follows_it_to_the_new_name() -> None:
    plateau = dict(type="ReduceOnPlateauLR", monitor="pascal_voc/mAP", rule="greater")
    stop = dict(type="EarlyStoppingHook", monitor="pascal_voc/mAP")
    cfg = judged(
        dict(type="VOCMetric"),
        val_dataloader=dict(batch_size=1),
        default_hooks=dict(
            checkpoint=dict(save_best=["pascal_voc/mAP"]), early_stopping=dict(stop)
        ),
        custom_hooks=[dict(stop)],
        param_scheduler=[dict(type="LinearLR"), plateau],
    )
    settle_watched_metrics(cfg)
    assert cfg.default_hooks.checkpoint == dict(save_best=["mAP_voc07"], rule="greater")
    for follower in (
        cfg.default_hooks.early_stopping,
        cfg.custom_hooks[0],
        cfg.param_scheduler[1],
    ):
        assert (follower.monitor, follower.rule) == ("mAP_voc07", "greater")


def test_a_config_without_evaluators_is_left_alone() -> None:
    assert judge_in_percent(Config(dict(val_evaluator=None))) == []


def with_save_best(name: object, *evaluators: str) -> Config:
    hooks = dict(checkpoint=dict(save_best=name))
    return Config(dict(val_evaluator=[dict(type=one) for one in evaluators], default_hooks=hooks))


@pytest.mark.parametrize("name", ["top1", "auto", None, ["top1", "top5"]])
def test_save_best_may_name_what_the_evaluator_gives(name: object) -> None:
    settle_watched_metrics(with_save_best(name, "TopK"))


def test_save_best_of_another_name_is_refused_before_training() -> None:
    with pytest.raises(UserError, match=r"'top2': .*save_best: use one of top1, top5"):
        settle_watched_metrics(with_save_best("top2", "TopK"))


def test_a_detectors_metrics_are_known_too() -> None:
    import_module("bag_of_transfer.detection.metrics")
    cfg = with_save_best("mAP", "VocMetric")
    cfg.default_scope = "mmdet"
    with pytest.raises(UserError, match=r"'mAP': .*save_best: use one of mAP_voc07, mAP_area"):
        settle_watched_metrics(cfg)


def test_an_evaluator_that_does_not_say_its_names_may_give_any() -> None:
    settle_watched_metrics(with_save_best("mDice", "TopK", "DumpResults"))


@pytest.mark.parametrize(
    "part",
    [
        dict(default_hooks=dict(early_stopping=dict(type="EarlyStoppingHook", monitor="mAP"))),
        dict(custom_hooks=[dict(type="mmengine.EarlyStoppingHook", monitor="mAP")]),
        dict(param_scheduler=[dict(type="ReduceOnPlateauLR", monitor="mAP")]),
        dict(param_scheduler=dict(type="ReduceOnPlateauMomentum", monitor="mAP")),
    ],
)
def test_a_monitor_of_what_is_not_measured_is_refused_before_training(part: dict) -> None:
    cfg = Config(dict(val_evaluator=dict(type="TopK"), val_dataloader=dict(batch_size=1), **part))
    with pytest.raises(UserError, match=r"no metric is called 'mAP': .*monitor: use one of top1"):
        settle_watched_metrics(cfg)
    cfg.val_dataloader = None
    with pytest.raises(UserError, match="nothing is validated"):
        settle_watched_metrics(cfg)


@pytest.mark.parametrize(
    ("name", "evaluators", "rule"),
    [
        ("AP", ["CocoBoxMetric"], "greater"),  # of its name mmengine knows nothing
        ("auto", ["TopK"], "greater"),
        (["top1", "val/loss"], ["TopK", "DumpResults"], ["greater", "less"]),
        ("val/loss", ["DumpResults"], "less"),
        ("my/acc", ["DumpResults"], "greater"),
        ("auto", ["DumpResults", "TopK"], None),  # the first validation tells
        ("anything", [], None),
    ],
)
def test_more_is_better_of_our_metrics_and_less_of_a_loss(
    name: object, evaluators: list[str], rule: object
) -> None:
    import_module("bag_of_transfer.detection.metrics")
    cfg = with_save_best(name, *evaluators)
    cfg.default_scope = "mmdet" if name == "AP" else "mmengine"
    settle_watched_metrics(cfg)
    assert cfg.default_hooks.checkpoint.get("rule") == rule


def test_a_name_that_says_nothing_needs_a_rule() -> None:
    cfg = with_save_best("my/score", "DumpResults")
    with pytest.raises(UserError, match=r"'my/score' does not say .*save_best: state rule="):
        settle_watched_metrics(cfg)
    for more in (dict(rule="less"), dict(less_keys=["score"])):
        cfg = with_save_best("my/score", "DumpResults")
        cfg.default_hooks.checkpoint.update(more)
        settle_watched_metrics(cfg)
        assert cfg.default_hooks.checkpoint == dict(save_best="my/score", **more)


def test_a_plateau_of_another_metric_keeps_mmengines_rule() -> None:
    plateau = dict(type="ReduceOnPlateauLR", monitor="my/score")
    cfg = Config(
        dict(
            val_evaluator=dict(type="DumpResults"),
            val_dataloader=dict(batch_size=1),
            param_scheduler=dict(plateau),
        )
    )
    settle_watched_metrics(cfg)
    assert cfg.param_scheduler == plateau
