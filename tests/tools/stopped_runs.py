"""Tiny runs of the three tasks that are stopped and go on, and what each of them leaves behind."""

import json
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from tests.tools.work_dirs import curve

__all__ = ["STEPS", "TASKS", "comparable", "config_of", "differences", "flags_of", "places"]

ROOT = Path(__file__).resolve().parents[2]
TASKS = {
    "cls": ("train_cls", "classification/resnet18-d_tiny.py"),
    "det": ("train", "detection/faster-rcnn_fpn_tiny.py"),
    "seg": ("train", "segmentation/fcn_d8_tiny.py"),
}
NARROW = "backbone=dict(stem_channels=8, base_channels=8)"
MODELS = {
    "cls": "dict()",
    "det": f"dict({NARROW}, neck=dict(in_channels=[16, 32, 64]))",
    "seg": f"dict({NARROW}, decode_head=dict(in_channels=64), auxiliary_head=dict(in_channels=32))",
}
STEPS = {"cls": 6, "det": 4, "seg": 2}  # of an epoch; a run has two
TIMES = ("seconds", "img_per_s")


@HOOKS.register_module()
class DrawsAtEachStep(Hook):
    """Draw as a network might, so that a generator that is not restored shows in the weights."""

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        bias = [one for one in runner.model.parameters() if one.requires_grad][-1]
        bias.data += 1e-3 * torch.rand(())


def config_of(task: str, loop: str, workers: int, folder: Path) -> Path:
    """Write a config of two epochs whose checkpoints are fewer than its steps."""
    steps = STEPS[task]
    lines = [
        f'_base_ = ["{ROOT / "configs" / TASKS[task][1]}"]',
        f"model = {MODELS[task]}",
        f"train_dataloader = dict(num_workers={workers}, drop_last=True)",
        'custom_hooks = [dict(type="EMAHook"), dict(type="DrawsAtEachStep")]',
    ]
    if loop == "iterations":
        lines += [
            f'train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters={2 * steps},'
            f" val_interval={steps})",
            'param_scheduler = [dict(type="PolyLR", by_epoch=False, eta_min=1e-4)]',
            f"default_hooks = dict(checkpoint=dict(by_epoch=False, interval={steps // 2}))",
        ]
    path = folder / f"{task}_{loop}_{workers}.py"
    path.write_text("\n".join(lines) + "\n")
    return path


def flags_of(task: str, config: Path, folder: Path, world: Path) -> list[str | Path]:
    """Return the arguments of the task's training tool."""
    scratch = [] if task == "cls" else ["--backbone", "scratch"]
    return [config, "--work-dir", folder, "--data-root", world, *scratch]


def comparable(folder: Path) -> dict[str, Any]:
    """Return what a run has left, without times and paths."""
    checkpoint = torch.load(max(folder.glob("*.pth"), key=position), weights_only=True)
    kept = ("state_dict", "ema_state_dict", "optimizer", "param_schedulers")
    hub = checkpoint["message_hub"]["runtime_info"]
    record = json.loads((folder / "metrics.json").read_text())
    return {
        "parts": {name: checkpoint.get(name) for name in kept},
        "meta": {name: checkpoint["meta"][name] for name in ("epoch", "iter", "recipe")},
        "info": {name: hub[name] for name in ("best_score", "keep_ckpt_ids", "validated")},
        "metrics": [record["metrics"], record["per_class"]],
        "curve": [{k: v for k, v in line.items() if k not in TIMES} for line in curve(folder)],
        "files": sorted(path.name for path in folder.glob("*.pth")),
    }


def position(path: Path) -> int:
    digits = path.stem.rpartition("_")[2]
    return int(digits) if not path.name.startswith("best") else -1


def differences(ours: Any, theirs: Any, place: str = "") -> list[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = list(ours.keys() | theirs.keys())
        return [d for k in keys for d in differences(ours.get(k), theirs.get(k), f"{place}.{k}")]
    if isinstance(theirs, list | tuple) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [d for i, pair in pairs for d in differences(*pair, f"{place}[{i}]")]
    same = torch.equal(ours, theirs) if isinstance(theirs, torch.Tensor) else ours == theirs
    return [] if same else [f"{place}: {ours!s:.60} instead of {theirs!s:.60}"]


def places(task: str) -> dict[str, int | str]:
    steps = STEPS[task]
    return {"begin": 1, "mid": steps + steps // 2, "validation": "validation", "end": 2 * steps}
