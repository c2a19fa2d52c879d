"""Build real Runners with all tricks or none, and a hook that changes one before the audit."""

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

import backbones  # noqa: F401  registers ResNetA..D
from bag_of_transfer.audit.tricks import audit
from bag_of_transfer.engine.loop import precision  # noqa: F401  register their types
from bag_of_transfer.engine.lr import apply_lr_rule
from bag_of_transfer.engine.weights import checkpoints  # noqa: F401  register their types

EPOCHS, BATCH, K = 4, 8, 10
DATA = [{"inputs": torch.zeros(3, 32, 32, dtype=torch.uint8), "labels": i % K} for i in range(32)]
PREPROCESSOR = {"type": "ClassificationPreprocessor", "mean": [120] * 3, "std": [60] * 3}
_count = itertools.count()  # mmengine wants another name for every run of a process


class Stop(Exception):
    """Raised after the audit, before any training step."""


class LieThenAudit(Hook):
    priority = "VERY_LOW"

    def __init__(self, lie: Callable[[Runner], Any]) -> None:
        self.lie = lie

    def before_train(self, runner: Runner) -> None:
        self.lie(runner)
        self.tricks = audit(runner)
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


def config(teacher: str) -> dict[str, Any]:
    """Return a config with all ten tricks."""
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
        cfg=cfg,
        **{
            **{"default_hooks": {"checkpoint": None, "logger": None}, "log_level": "ERROR"},
            **{"experiment_name": f"{work_dir.name}_{next(_count)}", "randomness": {"seed": 0}},
            **more,
        },
    )


def tricks_of(
    cfg: dict[str, Any], work_dir: Path, lie: Callable[[Runner], Any] = lambda runner: None
) -> dict[str, Any]:
    hook = LieThenAudit(lie)
    with pytest.raises(Stop):
        runner_of(cfg, work_dir, hook).train()
    return hook.tricks


def plain_cfg() -> dict[str, Any]:
    wrapper = {"optimizer": {"type": "SGD", "lr": 0.1}}
    model = classifier("ResNetD", 18, zero_init_residual=True)
    return {"model": model, "train_dataloader": {"batch_size": BATCH}, "optim_wrapper": wrapper}
