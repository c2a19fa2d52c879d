"""What a run trains with, as plain data, and where two runs differ."""

import json
from typing import Any

import pytest
from mmengine.config import Config
from torch.optim import SGD

from bag_of_transfer.engine.recipe import class_difference, differences, recipe_of


def config(**more: Any) -> Config:
    stated: dict[str, Any] = dict(
        model=dict(type="Net", mixup=dict(alpha=0.2, off_epochs=5)),
        optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1), clip_grad=None),
        param_scheduler=[dict(type="MultiStepLR", milestones=(1, 2))],
        train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=1),
        train_dataloader=dict(
            batch_size=4, num_workers=2, sampler=dict(type="DefaultSampler"), dataset=dict(root="a")
        ),
        randomness=dict(seed=0),
        classes=("a", "b"),
        num_train_images=9,
        work_dir="here",
    )
    cfg = Config(stated)
    cfg.merge_from_dict(more)
    return cfg


def keys(**more: Any) -> list[str]:
    return [one.key for one in differences(recipe_of(config()), recipe_of(config(**more)))]


def test_a_recipe_is_plain_data_and_equals_itself() -> None:
    recipe = recipe_of(config())
    assert json.loads(json.dumps(recipe)) == recipe
    assert differences(recipe, recipe_of(config())) == []


SAME = [
    {"train_dataloader.num_workers": 0},
    {"train_dataloader.dataset.root": "elsewhere"},
    {"train_cfg.val_interval": 2},
    {"work_dir": "there"},
    {"default_hooks": {"logger": {"interval": 5}}},
    {"optim_wrapper.accumulative_counts": 1},  # the default, stated
    {"train_dataloader.drop_last": None},
    {"train_dataloader.dataset.colours_on_device": False},
]


@pytest.mark.parametrize("change", SAME, ids=[next(iter(change)) for change in SAME])
def test_what_leaves_the_weights_alone_is_no_difference(change: dict[str, Any]) -> None:
    assert keys(**change) == []


OTHERS = [
    ("optim_wrapper.optimizer.lr", 0.2),
    ("optim_wrapper.optimizer.momentum", 0.9),
    ("optim_wrapper.optimizer.type", "Adam"),
    ("optim_wrapper.type", "AmpOptimWrapper"),
    ("optim_wrapper.accumulative_counts", 2),
    ("optim_wrapper.loss_scale", 512),
    ("optim_wrapper.paramwise_cfg", {"norm_decay_mult": 0}),
    ("param_scheduler", [{"type": "MultiStepLR", "milestones": [1, 3]}]),
    ("param_scheduler", [{"type": "MultiStepLR", "milestones": [1, 2], "gamma": 0.5}]),
    ("train_cfg.max_epochs", 4),
    ("train_dataloader.batch_size", 8),
    ("train_dataloader.sampler.shuffle", False),
    ("train_dataloader.drop_last", True),
    ("train_dataloader.dataset.colours_on_device", True),
    ("randomness.seed", 1),
    ("num_train_images", 10),
    ("classes", ("a", "c")),
    ("model.mixup.off_epochs", 4),
    ("custom_hooks", [dict(type="mmengine.EMAHook")]),
]


@pytest.mark.parametrize(("key", "value"), OTHERS, ids=[f"{key}={value}" for key, value in OTHERS])
def test_what_changes_the_weights_is_one_difference(key: str, value: Any) -> None:
    assert len(keys(**{key: value})) == 1


def test_a_difference_tells_the_key_and_both_values() -> None:
    changed = config()
    changed.optim_wrapper.clip_grad = {"max_norm": 1}  # None before
    was, now = recipe_of(config()), recipe_of(changed)
    (told,) = map(str, differences(was, now))
    assert told == "optim_wrapper.clip_grad.max_norm was not stated, now 1"


def test_a_class_in_place_of_a_name_is_plain_too() -> None:
    recipe = recipe_of(config(**{"optim_wrapper.optimizer.type": SGD}))
    assert "SGD" in recipe["optim_wrapper"]["optimizer"]["type"]


def test_classes_differ_by_name_by_order_or_by_number() -> None:
    assert class_difference(("a", "b"), ["a", "b"]) is None
    assert class_difference(("a", "b"), ("a", "c")) == ("b", "c")
    assert class_difference(("a", "b"), ("b", "a")) == ("a", "b")
    assert class_difference(("a", "b"), ("a",)) == ("2 classes", "1")


def test_other_hooks_come_and_go() -> None:
    assert keys(custom_hooks=[dict(type="MemoryHook")]) == []
