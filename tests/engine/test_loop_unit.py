"""Where the loop counts iterations, checkpoints are written and schedules move, or it is said."""

from typing import Any

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.config.knob_length import set_max_iters
from bag_of_transfer.engine.config.knob_request import Request
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run.loop_unit import follow_loop_unit
from bag_of_transfer.engine.run.outputs import save_safely

ITERS = {"by_epoch": False, "max_iters": 24, "val_interval": 6}


def config(loop: dict[str, Any] = ITERS, saves: Any = None, **more: Any) -> Config:
    hooks = {"checkpoint": {"interval": 1} if saves is None else saves}
    return Config({"train_cfg": dict(loop), "default_hooks": hooks, **more})


@pytest.mark.parametrize(
    ("loop", "saves", "expected"),
    [
        (ITERS, {"interval": 1}, {"interval": 6, "by_epoch": False}),
        (ITERS, {"interval": 5}, {"interval": 5, "by_epoch": False}),
        (ITERS, {"interval": 1, "by_epoch": False}, {"interval": 1, "by_epoch": False}),
        ({"type": "IterBasedTrainLoop", "max_iters": 90}, {"interval": 1}, {"interval": 9}),
        ({"max_iters": 5, "val_interval": 9}, {"interval": 1}, {"interval": 1, "by_epoch": False}),
        ({"max_epochs": 3}, {"interval": 1}, {"interval": 1}),
    ],
)
def test_checkpoints_count_what_the_loop_counts(
    loop: dict[str, Any], saves: dict[str, Any], expected: dict[str, Any]
) -> None:
    for _ in range(2):  # also a resolved config
        cfg = config(loop, saves)
        line = follow_loop_unit(cfg)
        made = dict(cfg.default_hooks.checkpoint)
        assert {key: made[key] for key in expected} == expected
        assert bool(line) == ("by_epoch" in made and "by_epoch" not in saves)
        saves = made


def test_a_config_without_hooks_saves_as_mmengine_does() -> None:
    for loop, every in ((ITERS, 6), ({"max_epochs": 3}, 1)):
        cfg = Config({"train_cfg": loop, "default_scope": "mmengine"})
        follow_loop_unit(cfg)
        save_safely(cfg)
        assert cfg.default_hooks.checkpoint.interval == every
    cfg = Config({"train_cfg": ITERS, "default_hooks": {"checkpoint": None}})
    assert follow_loop_unit(cfg) is None
    assert cfg.default_hooks.checkpoint is None


def test_the_length_of_a_training_moves_an_interval_of_the_loops_unit() -> None:
    cfg = config(saves={"interval": 20})
    none: frozenset[str] = frozenset()
    set_max_iters(cfg, Request("max_iters", 12, "here", none, none))
    assert cfg.default_hooks.checkpoint.interval == 12


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ({"type": "MultiStepLR", "milestones": [1, 2]}, "would never move"),
        ({"type": "ReduceOnPlateauLR", "begin": 1}, "would never move"),
        ({"type": "PolyLR", "convert_to_iter_based": True}, "would end after an epoch"),
    ],
)
def test_a_schedule_of_epochs_is_refused(scheduler: dict[str, Any], said: str) -> None:
    for stated in (scheduler, [scheduler], {"head": [scheduler]}):
        with pytest.raises(UserError, match=rf"{said}.*counts iterations.*by_epoch=False"):
            follow_loop_unit(config(param_scheduler=stated))
        assert follow_loop_unit(config({"max_epochs": 3}, param_scheduler=stated)) is None


@pytest.mark.parametrize(
    "scheduler",
    [
        {"type": "MultiStepLR", "milestones": [1, 2], "by_epoch": False},
        {"type": "ReduceOnPlateauLR"},
        {"type": "PolyLR", "convert_to_iter_based": True, "end": 3},
    ],
)
def test_other_schedules_are_taken(scheduler: dict[str, Any]) -> None:
    follow_loop_unit(config(param_scheduler=[scheduler]))


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"model": {"mixup": {"off_epochs": 1}}}, "model.mixup.off_epochs"),
        ({"custom_hooks": [{"num_last_epochs": 15}]}, "custom_hooks.0.num_last_epochs"),
        ({"custom_hooks": [{"switch_epoch": 280}]}, "custom_hooks.0.switch_epoch"),
        ({"custom_hooks": [{"begin_epoch": 2}]}, "custom_hooks.0.begin_epoch"),
    ],
)
def test_a_time_in_epochs_is_refused(more: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError, match=f"counts iterations, not epochs: {where}: leave it out"):
        follow_loop_unit(config(**more))
    assert follow_loop_unit(config({"max_epochs": 300}, **more)) is None
    assert follow_loop_unit(config(model={"mixup": {"off_epochs": 0}}))


def test_checkpoints_of_epochs_are_refused() -> None:
    with pytest.raises(UserError, match=r"no checkpoint would be written.*checkpoint\.by_epoch"):
        follow_loop_unit(config(saves={"interval": 1, "by_epoch": True}))
