"""A warm-up that does not fit into a training is shortened, and what follows it begins earlier."""

from typing import Any

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.run.schedule_fit import fit_schedule
from tests.lr_curves import lr_curve

GRADUAL = dict(type="GradualWarmup", begin=0, end=1, convert_to_iter_based=True)
COSINE = dict(type="CosineAnnealingLR", begin=1, convert_to_iter_based=True)
LINEAR = dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500)
STEPS = dict(type="MultiStepLR", by_epoch=True, begin=0, end=12, milestones=[8, 11], gamma=0.1)


def fitted(schedulers: list[dict[str, Any]], epochs: int, iters: int) -> tuple[list[float], str]:
    """Return the rates of all batches at lr 1, and what was said."""
    cfg = Config(dict(param_scheduler=schedulers, train_cfg=dict(max_epochs=epochs)))
    lines = fit_schedule(cfg, iters)
    return lr_curve(cfg.param_scheduler, 1.0, epochs, iters), "\n".join(lines)


def test_what_fits_stays() -> None:
    rates, said = fitted([GRADUAL, COSINE], 2, 4)
    assert said == ""
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_one_epoch_with_an_epoch_of_warm_up_is_trained() -> None:
    rates, said = fitted([GRADUAL, COSINE], 1, 40)
    assert said == "the warm-up is shortened to 4 iterations: 40 do not fit into the training's 40"
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert rates[-1] < 0.01


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_warm_up_in_iterations_ends_within_a_short_training(epochs: int) -> None:
    rates, said = fitted([LINEAR, STEPS], epochs, 20)
    assert "shortened to" in said
    assert max(rates) == pytest.approx(1)
    assert rates[epochs * 2] == pytest.approx(1)  # after a tenth


def test_less_than_an_iteration_of_warm_up_is_left_out() -> None:
    rates, said = fitted([dict(GRADUAL, end=0.04), dict(COSINE, begin=0.04)], 1, 10)
    assert said == "the warm-up is left out: it is too short"
    assert rates[0] == pytest.approx(1)


def test_a_training_of_one_iteration_has_no_warm_up() -> None:
    assert fitted([GRADUAL, COSINE], 1, 1)[0] == pytest.approx([1])


def test_a_scheduler_that_steps_once_an_epoch_begins_with_the_run() -> None:
    by_epoch = [
        dict(type="LinearLR", start_factor=0.5, end=5),
        dict(type="CosineAnnealingLR", begin=5, T_max=15),
    ]
    rates, said = fitted(by_epoch, 3, 2)
    assert "shortened" in said
    assert rates[0] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", ["LinearLR", "ConstantLR"])
@pytest.mark.parametrize("length", [dict(end=1), dict(end=0.5, convert_to_iter_based=True)])
def test_a_warm_up_that_would_never_rise_is_left_out(kind: str, length: dict[str, Any]) -> None:
    rates, said = fitted([dict(type=kind, **length)], 4, 2)
    assert "left out" in said
    assert rates == pytest.approx([1] * 8)
