"""From drawn images to a trained classifier, through mmengine's own Runner."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

CONFIG = "configs/classification/resnet18-d_tiny.py"
ROOT = Path(__file__).parents[2]
CLASSES = ["across", "down", "wide"]


def tiny_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # Unformatted: long paths make mmengine spend seconds on the layout of each log of it.
    cfg = Config(Config.fromfile(ROOT / CONFIG).to_dict(), format_python_code=False)
    init_default_scope("mmengine")
    cfg.work_dir = str(tmp_path / "work")
    cfg.model.head.num_classes = len(CLASSES)
    cfg.default_hooks.checkpoint.type = "CheckpointHook"
    cfg.default_hooks.logger.interval = 1
    cfg.log_level = "WARNING"
    cfg.experiment_name = tmp_path.name  # two runs of one second would share a message hub
    return cfg


def losses_and_metrics(runner: Runner) -> tuple[list[float], dict[str, Any]]:
    history = runner.message_hub.get_scalar("train/loss").data[0].tolist()
    return history, runner.val_loop.run()


def test_tiny_config_learns_to_tell_bars_apart(
    draw_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_folder("demo/classification/train", CLASSES, count=16)
    draw_folder("demo/classification/val", CLASSES, count=4)
    cfg = tiny_config(tmp_path, monkeypatch)
    cfg.train_cfg.update(max_epochs=8, val_interval=8)
    cfg.optim_wrapper.optimizer.lr = 0.05  # plain mmengine: nothing scales it here
    cfg.model.pop("mixup")  # its loss has a high floor, and the run is short
    runner = Runner.from_cfg(cfg)
    runner.train()
    losses, metrics = losses_and_metrics(runner)
    assert len(losses) == 8 * 6  # 48 images, batch 8
    first, last = sum(losses[:6]) / 6, sum(losses[-6:]) / 6
    assert last < 0.8 * first
    assert metrics["top1"] > 60  # one class in three is 33
    assert set(runner.val_evaluator.metrics[0].per_class) == set(CLASSES)


def test_two_runs_of_one_seed_are_equal_and_another_seed_differs(
    draw_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_folder("demo/classification/train", CLASSES, count=6)
    draw_folder("demo/classification/val", CLASSES, count=2)
    histories = []
    for number, seed in enumerate((3, 3, 4)):
        cfg = tiny_config(tmp_path, monkeypatch)
        cfg.work_dir += str(number)
        cfg.experiment_name += str(number)
        cfg.randomness.seed = seed
        runner = Runner.from_cfg(cfg)
        runner.train()
        histories.append(losses_and_metrics(runner)[0])
    assert histories[0] == histories[1] != histories[2]
    assert torch.tensor(histories).isfinite().all()
