"""The Runner is real; a hook changes it between building and the audit."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import MultiStepLR, OptimWrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn

import backbones
from bag_of_transfer.audit.optimizer_evidence import mixed_precision
from bag_of_transfer.audit.tricks import TrickAudit
from bag_of_transfer.classification.settings import TRICKS as CLASSIFIER_TRICKS
from bag_of_transfer.engine.loop.precision import AutocastOptimWrapper
from bag_of_transfer.ladder.report.trick_keys import TRICK_KEYS
from tests.audit.tricky_runs import (
    BATCH,
    EPOCHS,
    classifier,
    config,
    plain_cfg,
    runner_of,
    tricks_of,
)
from tests.pretended_gpu import pretended_gpu

TRICKS = list(TRICK_KEYS)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    cfg = classifier("ResNetB", 18)
    path = tmp_path_factory.mktemp("teacher") / "teacher.pth"
    meta = {"model_json": json.dumps(cfg)}
    torch.save({"meta": meta, "state_dict": MODELS.build(cfg).state_dict()}, path)
    return str(path)


def test_every_trick_is_seen_with_its_numbers(teacher: str, tmp_path: Path) -> None:
    tricks = tricks_of(config(teacher), tmp_path)
    assert list(tricks) == TRICKS
    assert {name for name, trick in tricks.items() if trick["on"]} == set(TRICKS)
    texts = {name: trick["evidence"] for name, trick in tricks.items()}
    # 8 images, gradients of two batches added up: 16 images per update; lr stated for 4.
    assert texts["linear_scaling"] == "lr 0.4 in the optimizer = 0.1 x 16 / 4"
    # 32 images: 4 batches per epoch, one epoch of warm-up, three of cosine.
    assert texts["warmup"] == "lr 0.1 at batch 1: batch i of 4 has i x 0.4 / 4"
    assert texts["zero_gamma"] == "16 of 16 last BN gammas are 0"
    assert texts["no_bias_decay"].startswith("decayed 56 of ")
    assert "product in the optimizer's context is bfloat16" in texts["mixed_precision"]
    # 0.4 sin^2(pi / 24) = 0.00681 at the last batch: t = 11 of T = 12
    assert texts["lr_decay"].startswith("0.5 (1 + cos(pi t / 12)) x 0.4; lr 0.2 half way, 0.00681")
    assert texts["label_smoothing"].endswith(
        "becomes 0.9 for the true one and 0.01111 for each other"
    )
    assert "teacher ImageClassifier of" in texts["distillation"]
    assert "0 of them trained; T = 20" in texts["distillation"]
    assert "of 16 batches of two images came out mixed" in texts["mixup"]
    assert texts["model_tweak"].startswith("convolutions in the stem: 3, pooled shortcuts: 4 of 4")
    values = {name: trick["value"] for name, trick in tricks.items()}
    assert values["warmup"] == {"form": "gradual", "iters": 4}
    assert values["lr_decay"] == "cosine"
    assert values["mixed_precision"] == "bf16"
    assert values["label_smoothing"] == {"eps": 0.1, "form": "paper"}
    assert values["model_tweak"] == "D"


def test_every_trick_of_the_classifier_is_audited() -> None:
    assert len(CLASSIFIER_TRICKS) == 3
    assert CLASSIFIER_TRICKS.keys() <= set(TRICKS)


def test_a_plain_run_has_no_trick(tmp_path: Path) -> None:
    cfg = {
        "model": classifier("ResNetA", 50),
        "train_dataloader": {"batch_size": BATCH},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1, "weight_decay": 1e-4}},
    }
    tricks = tricks_of(cfg, tmp_path)
    assert [name for name, trick in tricks.items() if trick["on"]] == []
    # ResNet-50: 53 convolutions and 53 norms of two, one linear of two: 53 + 106 + 2
    assert tricks["no_bias_decay"]["evidence"].startswith("decayed 161 of 161 parameters, 107 of")
    assert tricks["zero_gamma"]["evidence"] == "0 of 16 last BN gammas are 0"
    assert tricks["model_tweak"]["value"] == "A"


def test_the_contracts_sentence_for_resnet_50(tmp_path: Path) -> None:
    wrapper = config("")["optim_wrapper"]
    cfg = {
        "model": classifier("ResNetB", 50),
        "train_dataloader": {"batch_size": BATCH},
        "optim_wrapper": wrapper,
    }
    tricks = tricks_of(cfg, tmp_path)
    assert tricks["no_bias_decay"]["evidence"] == "decayed 54 of 161 parameters"
    assert tricks["no_bias_decay"]["value"]["weight_decay"] == [1e-4]


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
    tricks = tricks_of(config(teacher), tmp_path, LIES[trick])
    assert [name for name, trick in tricks.items() if not trick["on"]] == [trick]


def test_there_is_a_lie_for_every_trick() -> None:
    assert sorted(LIES) == sorted(TRICKS)


def test_fp16_is_seen_with_the_scale_of_its_loss(tmp_path: Path) -> None:
    """AmpOptimWrapper refuses to be built without a GPU; this one does the same on a CPU."""

    class HalfOnCPU(OptimWrapper):
        loss_scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

        @contextmanager
        def optim_context(self, model: nn.Module) -> Iterator[None]:
            with torch.autocast("cpu", torch.float16):
                yield

    def swap(runner: Runner) -> None:
        runner.optim_wrapper = HalfOnCPU(runner.optim_wrapper.optimizer)

    trick = tricks_of(plain_cfg(), tmp_path, swap)["mixed_precision"]
    assert (trick["on"], trick["value"]) == (True, "fp16")
    assert trick["evidence"].endswith("is float16, weights are float32, loss x 1024")


@pytest.mark.parametrize(
    ("amp", "capability", "override", "told"),
    [
        ("off", (8, 0), None, True),
        ("off", (7, 5), None, False),
        ("off", (9, 0), "0", False),
        ("bf16", (9, 0), None, False),
    ],
)
def test_fp32_on_a_gpu_says_where_convolutions_round_to_tf32(
    amp: str,
    capability: tuple[int, int],
    override: str | None,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = {"off": OptimWrapper, "bf16": AutocastOptimWrapper}
    if override is not None:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", override)
    with pretended_gpu():
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        model = nn.Linear(2, 2).to("cuda")
        runner: Any = SimpleNamespace(
            model=model, optim_wrapper=kinds[amp](torch.optim.SGD(model.parameters(), lr=1.0))
        )
        trick = mixed_precision(runner)
    assert trick["on"] == (amp == "bf16")
    assert ("round to TF32" in trick["evidence"]) == told


def test_schedulers_that_nothing_steps_are_not_believed(teacher: str, tmp_path: Path) -> None:
    def drop_the_hook(runner: Runner) -> None:
        runner._hooks = [hook for hook in runner.hooks if not isinstance(hook, ParamSchedulerHook)]

    tricks = tricks_of(config(teacher), tmp_path, drop_the_hook)
    assert not tricks["warmup"]["on"]
    assert not tricks["lr_decay"]["on"]
    assert tricks["lr_decay"]["evidence"] == "lr 0.1 at the last of 16 batches, as at its peak"


def test_one_living_gamma_of_sixteen_is_enough_to_say_no(teacher: str, tmp_path: Path) -> None:
    def wake_one(runner: Runner) -> None:
        runner.model.backbone.layer3[2].bn3.weight.data[5] = 0.1

    trick = tricks_of(config(teacher), tmp_path, wake_one)["zero_gamma"]
    assert not trick["on"]
    assert trick["evidence"] == "15 of 16 last BN gammas are 0"


def test_a_rule_that_does_not_hold_is_told_with_both_rates(teacher: str, tmp_path: Path) -> None:
    tricks = tricks_of(config(teacher), tmp_path, optimizer_kept_the_stated_lr)
    evidence = tricks["linear_scaling"]["evidence"]
    assert evidence == "lr 0.1 in the optimizer is not 0.4 = 0.1 x 16 / 4"


def test_the_audit_changes_nothing(teacher: str, tmp_path: Path) -> None:
    before: dict[str, Any] = {}

    def remember(runner: Runner) -> None:
        before["rng"] = torch.get_rng_state()
        before["lr"] = runner.optim_wrapper.get_lr()["lr"]
        before["steps"] = [each._global_step for each in runner.param_schedulers]
        before["runner"] = runner

    tricks_of(config(teacher), tmp_path, remember)
    runner = before["runner"]
    assert torch.equal(before["rng"], torch.get_rng_state())
    assert before["lr"] == runner.optim_wrapper.get_lr()["lr"]
    assert before["steps"] == [each._global_step for each in runner.param_schedulers]
    assert type(runner.optim_wrapper) is AutocastOptimWrapper


def train(work_dir: Path, resume_from: Path | None = None, **more: Any) -> dict[str, Any]:
    hooks = {"logger": None, "checkpoint": {"type": "SafeCheckpointHook", "interval": 1}}
    if resume_from:
        more |= {"resume": True, "load_from": str(resume_from)}
    runner_of(plain_cfg(), work_dir, TrickAudit(), default_hooks=hooks, **more).train()
    return json.loads((work_dir / "tricks.json").read_text())


def test_the_hook_saves_and_logs_what_was_seen_before_the_first_step(tmp_path: Path) -> None:
    saved = train(tmp_path, log_level="INFO")
    assert list(saved) == TRICKS
    evidence = "8 of 8 last BN gammas are 0 before step 1"
    assert saved["zero_gamma"] == {"on": True, "value": 8, "evidence": evidence}
    (log,) = tmp_path.rglob("*.log")
    assert f"  zero_gamma       on   {evidence}\n" in log.read_text()
    assert "  mixup            off  0 of 16 batches" in log.read_text()


def test_a_resumed_run_keeps_what_was_seen_at_its_start(tmp_path: Path) -> None:
    at_start = train(tmp_path / "run")
    resumed = train(tmp_path / "run", tmp_path / "run" / "epoch_2.pth")
    assert resumed["zero_gamma"] == at_start["zero_gamma"]


def test_a_resumed_run_without_a_record_of_its_start_claims_nothing(tmp_path: Path) -> None:
    train(tmp_path / "run")
    resumed = train(tmp_path / "elsewhere", tmp_path / "run" / "epoch_2.pth")
    evidence = "unknown: resumed at step 8, and no tricks.json describes step 1"
    assert resumed["zero_gamma"] == {"on": False, "value": None, "evidence": evidence}


def test_weights_loaded_before_training_are_what_is_seen(tmp_path: Path) -> None:
    train(tmp_path / "run")
    tricks = train(tmp_path / "fine-tuned", load_from=str(tmp_path / "run" / "epoch_4.pth"))
    assert tricks["zero_gamma"]["evidence"] == "0 of 8 last BN gammas are 0 before step 1"
