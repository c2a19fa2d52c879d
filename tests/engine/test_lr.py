from typing import Any

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.lr import apply_lr_rule, scaled_lr


def config(per_device: int = 256, accumulation: int | None = None, **auto: Any) -> Config:
    wrapper: dict[str, Any] = {"optimizer": {"type": "SGD", "lr": 0.1}}
    if accumulation:
        wrapper["accumulative_counts"] = accumulation
    cfg = {"train_dataloader": {"batch_size": per_device}, "optim_wrapper": wrapper}
    return Config({**cfg, **({"auto_scale_lr": auto} if auto else {})})


@pytest.mark.parametrize(
    ("per_device", "world_size", "accumulation", "wanted"),
    [
        (256, 1, 1, 0.1),  # the batch size that lr was stated for
        (128, 8, 1, 0.4),  # the paper's 1024 images on 8 GPUs
        (32, 1, 8, 0.1),  # 8 forward passes before an update
        (16, 2, 2, 0.025),  # 64 of 256
    ],
)
def test_lr_follows_the_images_of_one_update(
    per_device: int, world_size: int, accumulation: int, wanted: float
) -> None:
    assert scaled_lr(0.1, 256, per_device, world_size, accumulation) == pytest.approx(wanted)


@pytest.mark.parametrize("position", range(1, 5))
def test_a_count_below_one_is_refused(position: int) -> None:
    args = [0.1, 256, 32, 1, 1]
    args[position] = 0
    with pytest.raises(ValueError, match="at least 1, got 0"):
        scaled_lr(*args)


def test_the_config_is_scaled_and_the_line_says_how() -> None:
    cfg = config(64, accumulation=2, enable=True, base_batch_size=256)
    assert apply_lr_rule(cfg, world_size=8) == "lr 0.4 = 0.1 x 1024 / 256"
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.4)
    assert cfg.lr_rule == {
        "lr": 0.1,
        "base_batch_size": 256,
        "per_device": 64,
        "world": 8,
        "accumulation": 2,
        "effective": 0.4,
    }


def test_mmengine_is_told_not_to_scale_again() -> None:
    cfg = config(512, enable=True, base_batch_size=256)
    apply_lr_rule(cfg, world_size=1)
    assert cfg.auto_scale_lr == {"enable": False, "base_batch_size": 256}


def test_a_second_call_scales_no_further() -> None:
    cfg = config(1024, enable=True, base_batch_size=256)
    first = apply_lr_rule(cfg, world_size=1)
    assert apply_lr_rule(cfg, world_size=1) == first
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.4)


def test_a_saved_scaled_config_fits_itself_to_another_machine() -> None:
    cfg = config(128, enable=True, base_batch_size=256)
    apply_lr_rule(cfg, world_size=8)
    saved = Config.fromstring(cfg.pretty_text, ".py")
    assert apply_lr_rule(saved, world_size=2) == "lr 0.1 = 0.1 x 256 / 256"
    assert saved.optim_wrapper.optimizer.lr == pytest.approx(0.1)


def test_an_lr_changed_after_scaling_is_not_guessed_at() -> None:
    cfg = config(1024, enable=True, base_batch_size=256)
    apply_lr_rule(cfg, world_size=1)
    cfg.optim_wrapper.optimizer.lr = 0.05
    with pytest.raises(UserError, match=r"scaled already \(to 0.4\): optim_wrapper.optimizer.lr"):
        apply_lr_rule(cfg, world_size=1)


def test_scaling_can_be_switched_off() -> None:
    cfg = config(1024, enable=False, base_batch_size=256)
    line = apply_lr_rule(cfg, world_size=8)
    assert line == "lr 0.1 (not scaled: auto_scale_lr.enable=False)"
    assert cfg.optim_wrapper.optimizer.lr == 0.1
    assert "lr_rule" not in cfg


def test_a_config_without_the_rule_is_left_alone() -> None:
    cfg = config(1024)
    assert apply_lr_rule(cfg, world_size=8) == "lr 0.1 (not scaled: no auto_scale_lr)"
    assert cfg.optim_wrapper.optimizer.lr == 0.1


def test_scaling_without_a_base_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="no base_batch_size: auto_scale_lr: state the batch size"):
        apply_lr_rule(config(64, enable=True), world_size=1)


def test_scaling_without_an_lr_is_the_users_mistake() -> None:
    cfg = config(64, enable=True, base_batch_size=256)
    del cfg.optim_wrapper.optimizer["lr"]
    with pytest.raises(UserError, match="no learning rate to scale"):
        apply_lr_rule(cfg, world_size=1)


def test_an_impossible_batch_size_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="base_batch_size must be at least 1, got 0"):
        apply_lr_rule(config(64, enable=True, base_batch_size=0), world_size=1)


@pytest.mark.parametrize(
    ("world_size", "accumulation", "line"),
    [
        (1, None, "lr 0.0125 = 0.1 x 32 / 256"),
        (1, 4, "lr 0.05 = 0.1 x 128 / 256"),
        (2, None, "lr 0.025 = 0.1 x 64 / 256"),
        (2, 4, "lr 0.1 = 0.1 x 256 / 256"),
    ],
)
def test_processes_and_accumulation_multiply(
    world_size: int, accumulation: int | None, line: str
) -> None:
    cfg = config(32, accumulation, enable=True, base_batch_size=256)
    assert apply_lr_rule(cfg, world_size) == line
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(float(line.split()[1]))
