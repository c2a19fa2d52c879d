"""Numbers and sections of a config: what no run could use is named before anything is built."""

import copy
import re
from typing import Any

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.config.config_values import (
    check_sections,
    check_training_sections,
    check_values,
    settle_whole_numbers,
)
from bag_of_transfer.engine.config.overrides import apply_overrides
from bag_of_transfer.engine.errors import UserError

NAN, INF = float("nan"), float("inf")
CFG: dict[str, Any] = {
    "model": {
        "type": "X",
        "data_preprocessor": {"type": "P", "mean": [1, 2.5], "std": [1.0, 2]},
        "ranges": ((-1, 64), (64, INF)),
    },
    "train_dataloader": {
        **{"batch_size": 2, "num_workers": 0, "prefetch_factor": None, "drop_last": True},
        "dataset": {"type": "D"},
    },
    "val_dataloader": {"batch_size": 1, "num_workers": 1, "dataset": {"type": "D"}},
    "test_dataloader": None,
    "train_cfg": {"by_epoch": True, "max_epochs": 3, "val_interval": 1},
    "optim_wrapper": {
        "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 0},
        "clip_grad": {"max_norm": 35, "norm_type": 2},
        "accumulative_counts": 1,
    },
    "param_scheduler": [
        {"type": "LinearLR", "start_factor": 1e-3, "begin": 0, "end": 0.5},
        {"type": "MultiStepLR", "milestones": [1, 2], "gamma": 0.1},
    ],
    "auto_scale_lr": {"enable": True, "base_batch_size": 2},
    "default_hooks": {"logger": {"interval": 10}, "checkpoint": {"interval": -1}},
}
COUNT: list[Any] = [0, -1, 2.5, 2**63, "8", None, True, NAN, INF, [1], {"a": 1}]
NUMBER: list[Any] = [NAN, INF, 10**400, -0.1, "0.1", None, True, [0.1], {}]
WRONG: dict[str, list[Any]] = {
    "train_dataloader.batch_size": COUNT,
    "val_dataloader.batch_size": COUNT,
    "train_dataloader.num_workers": [-1, 0.5, "2", None],
    "train_dataloader.prefetch_factor": [0, -1, "2"],
    "train_dataloader.drop_last": [1, "True", None],
    "train_cfg.max_epochs": [*COUNT, -3],
    "train_cfg.max_iters": COUNT,
    "train_cfg.val_interval": COUNT,
    "auto_scale_lr.base_batch_size": COUNT,
    "auto_scale_lr.enable": ["yes", 1, None],
    "optim_wrapper.accumulative_counts": COUNT,
    "optim_wrapper.clip_grad.max_norm": [NAN, -0.1, "0.1", None, True, [0.1], 0, -INF],
    "optim_wrapper.optimizer.lr": [*NUMBER, 0],
    "optim_wrapper.optimizer.momentum": [*NUMBER, 1, 2],
    "optim_wrapper.optimizer.weight_decay": NUMBER,
    "optim_wrapper.optimizer.betas": [0.9, (0.9, 1.0), (NAN, 0.9), ("0.9", 0.9)],
    "param_scheduler.0.end": [*NUMBER, 0],
    "param_scheduler.0.begin": NUMBER,
    "param_scheduler.0.start_factor": NUMBER,
    "param_scheduler.1.milestones": [5, ["3"], [-1], None],
    "param_scheduler.1.gamma": NUMBER,
    "default_hooks.logger.interval": [0, -2, 1.5, "1", None],
    "default_hooks.checkpoint.interval": [0, -2, "1"],
    "log_processor.window_size": [0, -1, "10"],
    "model.data_preprocessor.mean": ["RGB", [NAN], ["1"], []],
    "model.data_preprocessor.std": [[0], [-1.0], [INF], 5],
    "model.head.num_classes": [[1], 0, "12", 2.5, True],
    "model.anything.at_all": [NAN, [NAN], 2**63, -(2**63), 10**400],
}


def with_value(key: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(CFG)
    node: Any = changed
    *parents, last = key.split(".")
    for name in parents:
        node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
    node[last] = value
    return changed


def test_a_sound_config_passes() -> None:
    cfg = Config(CFG)
    check_sections(cfg, "c.py")
    check_training_sections(cfg, "c.py")
    check_values(cfg)


def answer(key: str, value: Any) -> str:
    try:
        check_values(with_value(key, value))
    except UserError as error:
        return str(error)
    return "taken"


@pytest.mark.parametrize("key", WRONG)
def test_a_value_that_no_run_can_use_is_named_with_its_key(key: str) -> None:
    answers = [(value, answer(key, value)) for value in WRONG[key]]
    named = re.compile(rf".*: {key}(\.0)?: give .*")  # one line
    assert not [one for one in answers if not named.fullmatch(one[1])]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optim_wrapper.clip_grad.max_norm", INF),  # clips nothing, logs the norm
        ("optim_wrapper.optimizer.eps", (1e-30, 1e-3)),  # Adafactor's two
        ("optim_wrapper.optimizer.eps", (None, 1e-3)),
        ("optim_wrapper.paramwise_cfg.custom_keys", {"backbone": {"lr_mult": 0}}),
        ("default_hooks.checkpoint.max_keep_ckpts", -1),
    ],
)
def test_values_that_libraries_take_pass(key: str, value: Any) -> None:
    check_values(with_value(key, value))


def test_a_float_that_is_whole_counts_as_mmengine_counts_it() -> None:
    cfg = Config(with_value("train_cfg.max_iters", 1e3))
    cfg.train_cfg.val_interval = 82512.0
    cfg.default_hooks.logger.interval = 5e1
    settle_whole_numbers(cfg)
    check_values(cfg)
    found = [cfg.train_cfg.max_iters, cfg.train_cfg.val_interval, cfg.default_hooks.logger.interval]
    assert (found, {type(n) for n in found}) == ([1000, 82512, 50], {int})
    assert type(cfg.optim_wrapper.optimizer.lr) is float


def overridden(option: str) -> Config:
    cfg = Config(copy.deepcopy(CFG))
    apply_overrides(cfg, [option])
    return cfg


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-1", "0.1x", "[0.1]", "None", "True"])
def test_the_command_line_is_checked_as_the_file_is(text: str) -> None:
    key = "optim_wrapper.optimizer.lr"
    with pytest.raises(UserError, match=key):
        check_values(overridden(f"{key}={text}"))


DICTS = [
    *("model", "train_dataloader", "val_dataloader", "train_cfg", "optim_wrapper", "randomness"),
    *("default_hooks", "env_cfg", "auto_scale_lr", "visualizer", "custom_imports", "val_cfg"),
]
LISTS = ["custom_hooks", "param_scheduler", "val_evaluator", "test_evaluator"]


@pytest.mark.parametrize("name", [*DICTS, *LISTS])
def test_a_section_of_another_kind_is_named(name: str) -> None:
    for value in (5, "text", True, *([[1]] if name in DICTS else [])):
        with pytest.raises(UserError, match=rf"the config's {name} is .*: c\.py: see the configs"):
            check_sections({**CFG, name: value}, "c.py")


@pytest.mark.parametrize("name", ["train_dataloader", "train_cfg", "optim_wrapper"])
@pytest.mark.parametrize("value", [None, {}])
def test_a_section_that_training_lacks_is_named(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=name):
        check_training_sections({**CFG, name: value}, "c.py")


@pytest.mark.parametrize("dataset", [None, [], "D", 5])
def test_a_loader_without_a_dataset_is_named(dataset: Any) -> None:
    loader = {**CFG["train_dataloader"], "dataset": dataset}
    with pytest.raises(UserError, match="train_dataloader has no dataset"):
        check_sections({**CFG, "train_dataloader": loader}, "c.py")


def test_a_ladders_config_is_called_one() -> None:
    with pytest.raises(UserError, match=r"a ladder's config.*give it to tools/ladder\.py"):
        check_sections({"rungs": {}}, "c.py")


@pytest.mark.parametrize("part", ["EMAHook", {"typ": "EMAHook"}, None])
@pytest.mark.parametrize("name", ["custom_hooks", "val_evaluator", "test_evaluator"])
def test_a_hook_or_metric_without_a_type_is_named(name: str, part: Any) -> None:
    with pytest.raises(UserError, match=rf"{name}\.1 is .*, not a dict with a type: c\.py"):
        check_sections({**CFG, name: [{"type": "A"}, part]}, "c.py")


def test_a_path_is_no_way_to_say_resume() -> None:
    with pytest.raises(UserError, match="resume: give True or False"):
        check_values({**CFG, "resume": "epoch_1.pth"})
