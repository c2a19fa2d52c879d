from pathlib import Path
from typing import Any

import pytest
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

import backbones
from bag_of_transfer.audit.network_evidence import label_smoothing, model_tweak, zero_gamma
from bag_of_transfer.audit.schedule_evidence import lr_decay, rehearsed_lr, warmup
from bag_of_transfer.classification.classifier import ImageClassifier
from tests.audit.tricky_runs import plain_cfg, runner_of
from tests.lr_curves import lr_curve


@pytest.mark.parametrize(
    ("kind", "depth", "on"),
    [
        ("ResNetA", 50, False),
        ("ResNetB", 50, True),
        ("ResNetC", 50, True),
        ("ResNetD", 50, True),
        ("ResNetB", 18, False),  # nothing to move the stride to: the original
        ("ResNetC", 18, True),
        ("ResNetD", 18, True),
    ],
)
def test_variants_are_told_apart_by_their_layers(kind: str, depth: int, on: bool) -> None:
    network = getattr(backbones, kind)(depth, base_channels=4)
    trick = model_tweak(nn.ModuleDict({"backbone": network}))
    assert (trick["value"], trick["on"]) == (kind[-1], on)


def test_a_network_without_residual_blocks_is_no_variant() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    assert model_tweak(network)["value"] is None
    assert not zero_gamma(network)["on"]


@pytest.mark.parametrize("form", ["paper", "uniform"])
def test_both_forms_of_smoothing_are_read_back(form: str) -> None:
    model = ImageClassifier(
        backbone={"type": "ResNetB", "depth": 18, "base_channels": 4},
        head={"type": "LinearHead", "num_classes": 10},
        data_preprocessor={"type": "ClassificationPreprocessor", "mean": [0], "std": [1]},
        label_smoothing={"eps": 0.2, "form": form},
    )
    assert label_smoothing(model)["value"] == {"eps": 0.2, "form": form}


@pytest.mark.parametrize(
    ("schedulers", "decay", "rise"),
    [
        ([], None, None),
        ([{"type": "MultiStepLR", "milestones": [3, 6], "gamma": 0.1}], "step", None),
        ([{"type": "StepLR", "step_size": 2, "gamma": 0.94}], "exponential", None),
        ([{"type": "CosineAnnealingLR"}], "cosine", None),  # per epoch
        ([{"type": "CosineAnnealingLR", "by_epoch": False, "eta_min": 0.01}], "cosine", None),
        ([{"type": "PolyLR", "by_epoch": False}], "PolyLR", None),
        ([{"type": "ConstantWarmup", "end": 7, "by_epoch": False}], None, "constant"),
        ([{"type": "GradualWarmup", "end": 2, "by_epoch": False}], None, "gradual"),
        ([{"type": "LinearLR", "start_factor": 0.001, "end": 9, "by_epoch": False}], None, "other"),
    ],
)
def test_schedules_are_named_by_the_shape_of_their_rates(
    schedulers: list[dict[str, Any]], decay: str | None, rise: str | None
) -> None:
    rates = lr_curve(schedulers, 0.4, 8, 5)
    names = " + ".join(each["type"] for each in schedulers)
    assert lr_decay(rates, 5, names)["value"] == decay
    trick = warmup(rates)
    assert (trick["value"] or {}).get("form") == rise


def test_drops_are_told_with_factor_and_epochs() -> None:
    step = {"type": "MultiStepLR", "milestones": [3, 6], "gamma": 0.1}
    warm = {"type": "GradualWarmup", "end": 1, "convert_to_iter_based": True}
    evidence = lr_decay(lr_curve([warm, step], 0.4, 8, 5), 5, "")["evidence"]
    assert evidence.startswith("x 0.1 after epochs 3, 6; lr ")
    exponential = lr_curve({"type": "StepLR", "step_size": 2, "gamma": 0.94}, 0.4, 12, 5)
    evidence = lr_decay(exponential, 5, "")["evidence"]
    assert evidence.startswith("x 0.94 after epochs 2, 4, 6, 8, ...; lr ")


@pytest.mark.parametrize(
    "stated",
    [
        {"type": "OneCycleLR", "eta_max": 0.4, "total_steps": 4},
        {"type": "OneCycleLR", "eta_max": 0.4, "total_steps": 4, "convert_to_iter_based": True},
        {"type": "CosineRestartLR", "periods": [1, 3], "restart_weights": [1, 0.5], "eta_min": 0},
        {"type": "PolyLR", "eta_min": 0.01},
    ],
)
def test_the_rehearsal_has_the_rates_of_the_run(stated: dict[str, Any], tmp_path: Path) -> None:
    class Rates(Hook):
        def before_train(self, runner: Runner) -> None:
            self.rehearsed, self.real = rehearsed_lr(runner), list[float]()

        def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
            self.real.append(runner.optim_wrapper.param_groups[0]["lr"])

    hook = Rates()
    runner_of({**plain_cfg(), "param_scheduler": [stated]}, tmp_path, hook).train()
    assert len(set(hook.real)) >= 3
    assert hook.rehearsed == pytest.approx(hook.real)
