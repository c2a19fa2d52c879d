"""The val split of a config that holds a part of its training images out."""

import copy
from typing import Any

import pytest
from mmengine.config import Config

import bag_of_transfer.detection  # noqa: F401  its metrics stand for mmdet's
from bag_of_transfer.engine.config.overrides import apply_overrides
from bag_of_transfer.engine.data.held_out import hold_out, judged_split
from bag_of_transfer.engine.data.own_metrics import judge_in_percent
from bag_of_transfer.engine.errors import UserError

PARTS = ("dataloader", "cfg", "evaluator")


def config(**more: Any) -> Config:
    train = dict(
        type="CocoDataset",
        data_root="coco",
        ann_file="train.json",
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=["augmented"],
    )
    val = dict(type="CocoDataset", ann_file="val.json", test_mode=True, pipeline=["as it is"])
    repeated = dict(type="RepeatDataset", times=3, dataset=train)
    stated = dict(
        default_scope="mmdet",
        held_out=dict(fraction=0.25),
        train_dataloader=dict(batch_size=2, dataset=repeated),
        val_dataloader=dict(batch_size=1, dataset=val),
        val_cfg=dict(type="ValLoop"),
        val_evaluator=dict(type="CocoMetric", ann_file="coco/val.json", metric="bbox"),
    )
    return Config(copy.deepcopy({**stated, **more}))


def held_out(cfg: Config) -> list[str]:
    judge_in_percent(cfg)
    return hold_out(cfg)


def test_val_becomes_the_training_images_read_as_val() -> None:
    cfg = config()
    before = copy.deepcopy(cfg.train_dataloader)
    assert held_out(cfg) == ["val: 25 % of the training images, held out by seed 0"]
    assert cfg.train_dataloader == before
    assert cfg.val_dataloader.batch_size == 1
    leaf = dict(
        type="CocoDataset",
        data_root="coco",
        ann_file="train.json",
        pipeline=["as it is"],
        test_mode=True,
    )
    dataset = dict(type="held_out_part", dataset=leaf, fraction=0.25, seed=0)
    assert cfg.val_dataloader.dataset.to_dict() == dataset
    assert cfg.val_evaluator == dict(type="CocoBoxMetric", ann_file="coco/train.json")
    assert judged_split(cfg) == "held_out"


def test_colours_on_the_device_belong_to_the_training_alone() -> None:
    data = dict(root="train", colours_on_device=True)
    cfg = config(
        default_scope="mmengine",
        train_dataloader=dict(dataset=dict(type="ImageFolder", pipeline=["Jitter"], **data)),
        val_dataloader=dict(dataset=dict(type="ImageFolder", root="val", pipeline=["Resize"])),
        val_evaluator=dict(type="TopK"),
    )
    hold_out(cfg)
    read = cfg.val_dataloader.dataset.dataset
    assert read.to_dict() == dict(type="ImageFolder", root="train", pipeline=["Resize"])
    assert cfg.train_dataloader.dataset.colours_on_device


def test_a_config_that_was_resolved_gives_the_same() -> None:
    cfg = config()
    held_out(cfg)
    again = copy.deepcopy(cfg)
    held_out(again)
    assert again.to_dict() == cfg.to_dict()


def test_a_config_that_was_resolved_must_go_on_holding_its_part_out() -> None:
    cfg = config()
    held_out(cfg)
    cfg.held_out = None
    with pytest.raises(UserError, match=r"all of which would be trained on: held_out: "):
        hold_out(cfg)


def test_without_it_nothing_changes() -> None:
    cfg = config(held_out=None)
    before = copy.deepcopy(cfg)
    assert hold_out(cfg) == []
    assert cfg.to_dict() == before.to_dict()
    assert judged_split(cfg) == "val"


def test_without_a_val_split_the_images_are_read_and_judged_as_those_of_test() -> None:
    cfg = config(val_evaluator=dict(type="VocMetric"))
    for part in PARTS:
        cfg[f"test_{part}"] = copy.deepcopy(cfg.pop(f"val_{part}"))
    cfg.test_cfg.type = "TestLoop"
    before = copy.deepcopy({part: cfg[f"test_{part}"] for part in PARTS})
    assert hold_out(cfg)
    assert cfg.val_dataloader.dataset.dataset.pipeline == ["as it is"]
    assert cfg.val_cfg == {}
    assert before == {part: cfg[f"test_{part}"] for part in PARTS}


@pytest.mark.parametrize("part", PARTS)
def test_with_neither_val_nor_test_it_is_refused(part: str) -> None:
    cfg = config(**{f"val_{part}": None})
    with pytest.raises(UserError, match=r"^neither a val nor a test split .*: held_out: "):
        hold_out(cfg)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (0.2, "0.2 is not a dict: held_out: "),
        ({}, r"None is not a valid value: held_out\.fraction: "),
        *(
            (dict(fraction=value), r"is not a valid value: held_out\.fraction: give a number")
            for value in (0, 1, 2, -0.5, True, "0.2", float("nan"), [0.2])
        ),
        *(
            (dict(fraction=0.2, seed=value), r"is not a valid value: held_out\.seed: give a whole")
            for value in (0.5, "0", None, True)
        ),
        (dict(fraction=0.2, sed=1), "unknown key 'sed': held_out: give held_out=dict"),
    ],
)
def test_wrong_values_are_refused(stated: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        hold_out(config(held_out=stated))


def test_a_metric_that_judges_a_whole_file_is_refused() -> None:
    masks = dict(type="CocoMetric", ann_file="coco/val.json", metric=["bbox", "segm"])
    with pytest.raises(UserError, match="CocoMetric would judge all images of ann_file"):
        held_out(config(val_evaluator=masks))
    for_a_server = dict(type="CocoMetric", ann_file="coco/val.json", format_only=True)
    with pytest.raises(UserError, match="CocoMetric only formats results"):
        held_out(config(val_evaluator=[for_a_server]))


def test_one_file_of_truth_for_two_of_images_is_refused() -> None:
    cfg = config()
    one = cfg.train_dataloader.dataset
    other = copy.deepcopy(one)
    other.dataset.ann_file = "more.json"
    cfg.train_dataloader.dataset = dict(type="ConcatDataset", datasets=[one, other])
    with pytest.raises(UserError, match="judges by one file, but the training images have 2"):
        held_out(cfg)


def test_a_config_without_training_data_is_refused() -> None:
    with pytest.raises(UserError, match="no training images to hold out a part of: held_out: "):
        hold_out(config(train_dataloader=None))


def test_overrides_may_add_it_and_a_wrong_key_gets_a_suggestion() -> None:
    cfg = config()
    cfg.pop("held_out")
    apply_overrides(cfg, ["held_out.fraction=0.5", "held_out.seed=3"])
    assert cfg.held_out == dict(fraction=0.5, seed=3)
    with pytest.raises(
        UserError, match=r"`held_out\.fracton` exists nowhere.*`held_out\.fraction`"
    ):
        apply_overrides(cfg, ["held_out.fracton=0.5"])
