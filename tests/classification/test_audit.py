"""The Runner is real; a hook lies to it between building and the audit."""

import copy
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.optim import MultiStepLR, OptimWrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

import backbones
from classification.audit import TrickAudit, audit
from classification.optimizer_evidence import lr_decay, warmup
from engine.lr import apply_lr_rule
from engine.precision import AutocastOptimWrapper
from engine.schedules import lr_curve

TRICKS = [
    *("linear_scaling", "warmup", "zero_gamma", "no_bias_decay", "mixed_precision"),
    *("lr_decay", "label_smoothing", "distillation", "mixup", "model_tweak"),
]
EPOCHS, NUM_IMAGES, BATCH, K = 4, 32, 8, 10
DATA = [{"inputs": torch.zeros(3, 32, 32, dtype=torch.uint8), "labels": i % K} for i in range(32)]
PREPROCESSOR = {"type": "ClassificationPreprocessor", "mean": [120] * 3, "std": [60] * 3}


class Stop(Exception):
    """The audit has been made; no step is trained."""


class LieThenAudit(Hook):
    priority = "VERY_LOW"

    def __init__(self, lie: Callable[[Runner], Any]) -> None:
        self.lie = lie

    def before_train(self, runner: Runner) -> None:
        self.lie(runner)
        self.findings = audit(runner)
        raise Stop


def classifier(kind: str, depth: int, **tricks: Any) -> dict[str, Any]:
    zero = tricks.pop("zero_init_residual", False)
    return {
        "type": "ImageClassifier",
        "backbone": {
            **{"type": kind, "depth": depth, "base_channels": 4},
            **{"out_indices": (3,), "zero_init_residual": zero},
        },
        "head": {"type": "LinearHead", "num_classes": K},
        "data_preprocessor": PREPROCESSOR,
        **tricks,
    }


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    cfg = classifier("ResNetB", 18)
    path = tmp_path_factory.mktemp("teacher") / "teacher.pth"
    meta = {"model_json": json.dumps(cfg)}
    torch.save({"meta": meta, "state_dict": MODELS.build(cfg).state_dict()}, path)
    return str(path)


def config(teacher: str) -> dict[str, Any]:
    """All ten tricks on."""
    return {
        "model": classifier(
            "ResNetD",
            50,
            zero_init_residual=True,
            label_smoothing={"eps": 0.1, "form": "paper"},
            mixup={"alpha": 0.2},
            distillation={"teacher": {"checkpoint": teacher}},
        ),
        "train_dataloader": {"batch_size": BATCH},
        "optim_wrapper": {
            "type": "AutocastOptimWrapper",
            "optimizer": {"type": "SGD", "lr": 0.1, "weight_decay": 1e-4},
            "paramwise_cfg": {"bias_decay_mult": 0.0, "norm_decay_mult": 0.0},
            "accumulative_counts": 2,
        },
        "param_scheduler": [
            {"type": "GradualWarmup", "end": 1, "convert_to_iter_based": True},
            {"type": "CosineAnnealingLR", "begin": 1, "convert_to_iter_based": True},
        ],
        "auto_scale_lr": {"enable": True, "base_batch_size": 4},
    }


def runner_of(cfg: dict[str, Any], work_dir: Path, *hooks: Hook, **more: Any) -> Runner:
    cfg = Config(copy.deepcopy(cfg))
    apply_lr_rule(cfg, world_size=1)
    return Runner(
        model=cfg.model,
        work_dir=str(work_dir),
        train_dataloader=DataLoader(DATA, batch_size=BATCH),
        train_cfg={"by_epoch": True, "max_epochs": EPOCHS},
        optim_wrapper=cfg.optim_wrapper,
        param_scheduler=cfg.get("param_scheduler"),
        auto_scale_lr=cfg.get("auto_scale_lr"),
        custom_hooks=list(hooks),
        default_hooks={"checkpoint": None, "logger": None},
        experiment_name=work_dir.name,
        log_level="ERROR",
        cfg=cfg,
        **more,
    )


def findings_of(
    cfg: dict[str, Any], work_dir: Path, lie: Callable[[Runner], Any] = lambda runner: None
) -> dict[str, Any]:
    hook = LieThenAudit(lie)
    with pytest.raises(Stop):
        runner_of(cfg, work_dir, hook).train()
    return hook.findings


def test_every_trick_is_seen_with_its_numbers(teacher: str, tmp_path: Path) -> None:
    found = findings_of(config(teacher), tmp_path)
    assert list(found) == TRICKS
    assert {name for name, one in found.items() if one["on"]} == set(TRICKS)
    said = {name: one["evidence"] for name, one in found.items()}
    # 8 images, gradients of two batches added up: 16 images per update; lr stated for 4.
    assert said["linear_scaling"] == "lr 0.4 in the optimizer = 0.1 x 16 / 4"
    # 32 images: 4 batches per epoch, one epoch of warm-up, three of cosine.
    assert said["warmup"] == "lr 0.1 at batch 1: batch i of 4 has i x 0.4 / 4"
    assert said["zero_gamma"] == "16 of 16 last BN gammas are 0"
    assert said["no_bias_decay"].startswith("decayed 56 of ")
    assert "product in the optimizer's context is bfloat16" in said["mixed_precision"]
    # sin^2(pi / 24) x 0.4 = 0.00682 at the last batch: t = 11 of T = 12
    assert said["lr_decay"].startswith("0.5 (1 + cos(pi t / 12)) x 0.4; lr 0.2 half way, 0.00681")
    assert said["label_smoothing"].endswith("becomes 0.9 for the true one and 0.01111 for each other")
    assert "teacher ImageClassifier of" in said["distillation"]
    assert "0 of them trained; T = 20" in said["distillation"]
    assert "of 16 batches of two images came out mixed" in said["mixup"]
    assert said["model_tweak"].startswith("convolutions in the stem: 3, pooled shortcuts: 4 of 4")
    values = {name: one["value"] for name, one in found.items()}
    assert values["warmup"] == {"form": "gradual", "iters": 4}
    assert values["lr_decay"] == "cosine"
    assert values["mixed_precision"] == "bf16"
    assert values["label_smoothing"] == {"eps": 0.1, "form": "paper"}
    assert values["model_tweak"] == "D"


def test_a_plain_run_has_no_trick(tmp_path: Path) -> None:
    cfg = {
        "model": classifier("ResNetA", 50),
        "train_dataloader": {"batch_size": BATCH},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1, "weight_decay": 1e-4}},
    }
    found = findings_of(cfg, tmp_path)
    assert [name for name, one in found.items() if one["on"]] == []
    # ResNet-50: 53 convolutions and 53 norms of two, one linear of two: 53 + 106 + 2
    assert found["no_bias_decay"]["evidence"].startswith("decayed 161 of 161 parameters, 107 of")
    assert found["zero_gamma"]["evidence"] == "0 of 16 last BN gammas are 0"
    assert found["model_tweak"]["value"] == "A"


def test_the_contracts_sentence_for_resnet_50(tmp_path: Path) -> None:
    wrapper = config("")["optim_wrapper"]
    cfg = {
        "model": classifier("ResNetB", 50),
        "train_dataloader": {"batch_size": BATCH},
        "optim_wrapper": wrapper,
    }
    found = findings_of(cfg, tmp_path)
    assert found["no_bias_decay"]["evidence"] == "decayed 54 of 161 parameters"
    assert found["no_bias_decay"]["value"]["weight_decay"] == [1e-4]


# Ten lies: each changes one live object and leaves the config saying "on".


def weights_were_refilled(runner: Runner) -> None:
    for name, parameter in runner.model.named_parameters():
        if "bn3" in name:
            nn.init.constant_(parameter, 0.5)


def optimizer_was_built_otherwise(runner: Runner) -> None:
    for group in runner.optim_wrapper.optimizer.param_groups:
        group["weight_decay"] = 1e-4


def smoothing_was_lost(runner: Runner) -> None:
    runner.model.label_smoothing = None


def warmup_is_not_among_the_schedulers(runner: Runner) -> None:
    del runner.param_schedulers[0]
    for group in runner.optim_wrapper.optimizer.param_groups:
        group["lr"] = group["initial_lr"]


def optimizer_kept_the_stated_lr(runner: Runner) -> None:
    for group in runner.optim_wrapper.optimizer.param_groups:
        group["lr"] = group["initial_lr"] = 0.1


def precision_is_single(runner: Runner) -> None:
    runner.optim_wrapper = OptimWrapper(runner.optim_wrapper.optimizer)
    runner.optim_wrapper._accumulative_counts = 2


def decay_is_another(runner: Runner) -> None:
    never = MultiStepLR(runner.optim_wrapper, milestones=[99])
    runner.param_schedulers[1] = never


def teacher_has_no_say(runner: Runner) -> None:
    runner.model.distillation["soft_weight"] = 0.0


def mixup_is_off_in_all_epochs(runner: Runner) -> None:
    runner.model.mixup["off_epochs"] = EPOCHS


def network_is_the_original(runner: Runner) -> None:
    original = backbones.ResNetA(50, base_channels=4, out_indices=(3,))
    for name, parameter in original.named_parameters():
        if name.endswith("bn3.weight"):
            nn.init.zeros_(parameter)
    bare = [group for group in runner.optim_wrapper.optimizer.param_groups]
    del bare[:]
    runner.model.backbone = original
    runner.optim_wrapper = runner.build_optim_wrapper(runner.cfg.optim_wrapper)


LIES = {
    "zero_gamma": weights_were_refilled,
    "no_bias_decay": optimizer_was_built_otherwise,
    "label_smoothing": smoothing_was_lost,
    "warmup": warmup_is_not_among_the_schedulers,
    "linear_scaling": optimizer_kept_the_stated_lr,
    "mixed_precision": precision_is_single,
    "lr_decay": decay_is_another,
    "distillation": teacher_has_no_say,
    "mixup": mixup_is_off_in_all_epochs,
    "model_tweak": network_is_the_original,
}


@pytest.mark.parametrize("trick", LIES)
def test_a_config_that_lies_is_not_believed(trick: str, teacher: str, tmp_path: Path) -> None:
    found = findings_of(config(teacher), tmp_path, LIES[trick])
    assert [name for name, one in found.items() if not one["on"]] == [trick]


def test_there_is_a_lie_for_every_trick() -> None:
    assert sorted(LIES) == sorted(TRICKS)


def test_schedulers_that_nothing_steps_are_not_believed(teacher: str, tmp_path: Path) -> None:
    def drop_the_hook(runner: Runner) -> None:
        runner._hooks = [one for one in runner.hooks if not isinstance(one, ParamSchedulerHook)]

    found = findings_of(config(teacher), tmp_path, drop_the_hook)
    assert not found["warmup"]["on"]
    assert not found["lr_decay"]["on"]
    assert found["lr_decay"]["evidence"] == "lr 0.1 at the last of 16 batches, as at its peak"


def test_one_living_gamma_of_sixteen_is_enough_to_say_no(teacher: str, tmp_path: Path) -> None:
    def wake_one(runner: Runner) -> None:
        runner.model.backbone.layer3[2].bn3.weight.data[5] = 0.1

    found = findings_of(config(teacher), tmp_path, wake_one)["zero_gamma"]
    assert not found["on"]
    assert found["evidence"] == "15 of 16 last BN gammas are 0"


def test_a_rule_that_does_not_hold_is_told_with_both_rates(teacher: str, tmp_path: Path) -> None:
    found = findings_of(config(teacher), tmp_path, optimizer_kept_the_stated_lr)
    said = found["linear_scaling"]["evidence"]
    assert said == "lr 0.1 in the optimizer is not 0.4 = 0.1 x 16 / 4"


def test_the_audit_changes_nothing(teacher: str, tmp_path: Path) -> None:
    before: dict[str, Any] = {}

    def remember(runner: Runner) -> None:
        before["rng"] = torch.get_rng_state()
        before["lr"] = runner.optim_wrapper.get_lr()["lr"]
        before["steps"] = [one._global_step for one in runner.param_schedulers]
        before["runner"] = runner

    findings_of(config(teacher), tmp_path, remember)
    runner = before["runner"]
    assert torch.equal(before["rng"], torch.get_rng_state())
    assert before["lr"] == runner.optim_wrapper.get_lr()["lr"]
    assert before["steps"] == [one._global_step for one in runner.param_schedulers]
    assert type(runner.optim_wrapper) is AutocastOptimWrapper


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
    from classification.network_evidence import model_tweak

    network = getattr(backbones, kind)(depth, base_channels=4)
    found = model_tweak(nn.ModuleDict({"backbone": network}))
    assert (found["value"], found["on"]) == (kind[-1], on)


def test_a_network_without_residual_blocks_is_no_variant() -> None:
    from classification.network_evidence import model_tweak, zero_gamma

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    assert model_tweak(network)["value"] is None
    assert not zero_gamma(network)["on"]


@pytest.mark.parametrize("form", ["paper", "uniform"])
def test_both_forms_of_smoothing_are_read_back(form: str) -> None:
    from classification.network_evidence import label_smoothing

    model = MODELS.build(classifier("ResNetB", 18, label_smoothing={"eps": 0.2, "form": form}))
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
    names = " + ".join(one["type"] for one in schedulers)
    assert lr_decay(rates, 5, names)["value"] == decay
    found = warmup(rates)
    assert (found["value"] or {}).get("form") == rise


def test_drops_are_told_with_factor_and_epochs() -> None:
    step = {"type": "MultiStepLR", "milestones": [3, 6], "gamma": 0.1}
    warm = {"type": "GradualWarmup", "end": 1, "convert_to_iter_based": True}
    said = lr_decay(lr_curve([warm, step], 0.4, 8, 5), 5, "")["evidence"]
    assert said.startswith("x 0.1 after epochs 3, 6; lr ")
    exponential = lr_curve({"type": "StepLR", "step_size": 2, "gamma": 0.94}, 0.4, 12, 5)
    said = lr_decay(exponential, 5, "")["evidence"]
    assert said.startswith("x 0.94 after epochs 2, 4, 6, 8, ...; lr ")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    yield lines


def one_step_cfg() -> dict[str, Any]:
    wrapper = {"optimizer": {"type": "SGD", "lr": 0.1}}
    model = classifier("ResNetD", 18, zero_init_residual=True)
    return {"model": model, "train_dataloader": {"batch_size": BATCH}, "optim_wrapper": wrapper}


def test_the_hook_saves_what_was_seen_before_the_first_step(tmp_path: Path) -> None:
    runner_of(one_step_cfg(), tmp_path, TrickAudit()).train()
    saved = json.loads((tmp_path / "tricks.json").read_text())
    assert list(saved) == TRICKS
    assert saved["zero_gamma"] == {
        "on": True,
        "value": 8,
        "evidence": "8 of 8 last BN gammas are 0 before step 1",
    }


def resume(tmp_path: Path, work_dir: Path) -> dict[str, Any]:
    """Go on from a checkpoint after the first epoch, whose gammas are no longer 0."""
    checkpoint = tmp_path / "epoch_1.pth"
    hook = LieThenAudit(weights_of_the_last_norms_moved)
    with pytest.raises(Stop):
        runner_of(one_step_cfg(), tmp_path, hook).train()
    state = {"state_dict": hook.state, "message_hub": {}, "meta": {"epoch": 1, "iter": 4}}
    torch.save(state, checkpoint)
    runner = runner_of(one_step_cfg(), work_dir, TrickAudit(), resume=True)
    runner._load_from = str(checkpoint)
    runner.train()
    return json.loads((work_dir / "tricks.json").read_text())["zero_gamma"]
