"""A config with classes as types goes all the way: trained, resumed, tested, predicted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bag_of_transfer.engine.config.config_file import resolved_config

TINY = Path(__file__).resolve().parents[2] / "configs/detection/faster-rcnn_fpn_tiny.py"
LEAF = """
from mmengine.config import read_base

with read_base():
    from .base import *

from mmdet.models import FPN, FasterRCNN
from mmengine.hooks import CheckpointHook, EarlyStoppingHook, EMAHook, LoggerHook
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop

from backbones.resnet import ResNetD

model.update(dict(type=FasterRCNN, backbone=dict(type=ResNetD), neck=dict(type=FPN)))
optim_wrapper.update(dict(type=OptimWrapper))
param_scheduler = []
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=1, val_interval=1)
default_hooks.update(
    dict(checkpoint=dict(type=CheckpointHook), logger=dict(type=LoggerHook, interval=1))
)
custom_hooks = [dict(type=EMAHook), dict(type=EarlyStoppingHook, monitor="mAP_voc07")]
train_dataloader.update(dict(num_workers=0, dataset=dict(indices=4)))
val_dataloader.update(dict(num_workers=0, dataset=dict(indices=2)))
test_dataloader.update(dict(num_workers=0, dataset=dict(indices=2)))
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    resolved_config(TINY).dump(tmp_path / "base.py")
    path = tmp_path / "leaf.py"
    path.write_text(LEAF)
    return path


def test_it_is_trained_resumed_tested_and_predicted(
    tool: Callable[..., int], config: Path, world: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train = ("train", config, "--backbone", "scratch", "--work-dir", run)
    assert tool(*train) == 0
    assert "type='SafeCheckpointHook'" in (run / "resolved_config.py").read_text()
    longer = ("--resume", "--cfg-options", "train_cfg.max_epochs=2")
    assert tool(*train, *longer) == 0
    for stated in (config, run / "resolved_config.py"):
        assert tool("test", stated, run / "epoch_2.pth", "--work-dir", tmp_path / "test") == 0
    picture = next((world / "demo/detection/JPEGImages").iterdir())
    drawn = ("--out-dir", tmp_path / "drawn")
    assert tool("predict", config, run / "epoch_2.pth", picture, *drawn) == 0


def test_a_misspelt_metric_is_refused(
    tool: Callable[..., int], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(LEAF.replace("mAP_voc07", "mAP_vo"))
    assert tool("train", config, "--backbone", "scratch", "--dry-run") == 2
    assert "no metric is called 'mAP_vo': custom_hooks.1.monitor" in capsys.readouterr().err
