"""A config in mmengine's pure Python style is read as the text config of the same names."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.hooks import EMAHook
from mmengine.registry import HOOKS

import bag_of_transfer.detection
import bag_of_transfer.segmentation  # noqa: F401  they put stand-ins where mmcv has no operators
from bag_of_transfer.engine.config.config_file import phase_of, read_config, resolved_config
from bag_of_transfer.engine.config.config_vocabulary import find_callables
from bag_of_transfer.engine.config.type_names import name_types
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import Phase

MODULE = """
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

class Plain(Hook):
    pass

@HOOKS.register_module()
class MineOfTypeNames(Hook):
    pass

def local():
    class Local(Hook):
        pass
    return Local
"""
BASE = """
from mmdet.models import FasterRCNN, ResNet
from mmengine.runner import EpochBasedTrainLoop

default_scope = None
model = dict(type=FasterRCNN, backbone=dict(type=ResNet, depth=50))
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=12)
"""
LEAF = """
from mmengine.config import read_base

with read_base():
    from .base import *
from users_types import MineOfTypeNames, Plain

model.update(dict(backbone=dict(depth=18)))
custom_hooks = [dict(type=MineOfTypeNames), dict(type=Plain)]
"""


@pytest.fixture(autouse=True)
def users_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let a module of a user be importable for one test; return it."""
    (tmp_path / "users_types.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("users_types")
    del sys.modules["users_types"]
    del HOOKS.module_dict["MineOfTypeNames"]


def kinds(scope: str) -> dict[str, Any]:
    from mmcv import ops, transforms
    from mmdet.datasets import transforms as det_transforms
    from mmdet.models import ExpMomentumEMA, FasterRCNN

    return {
        "default_scope": scope,
        "model": {
            "type": FasterRCNN,
            "norm_cfg": {"type": torch.nn.BatchNorm2d},
            "sync_cfg": {"type": torch.nn.SyncBatchNorm},
            "act_cfg": {"type": torch.nn.SiLU},
            "roi_layer": {"type": ops.RoIAlign},
            "test_cfg": {"nms": {"type": ops.nms}},
        },
        "optimizer": {"type": torch.optim.AdamW},
        "collate_fn": {"type": pseudo_collate},
        "custom_hooks": [{"type": EMAHook, "ema_type": ExpMomentumEMA}],
        "pipeline": ({"type": transforms.RandomFlip}, [{"type": det_transforms.RandomFlip}]),
    }


def test_names_are_as_short_as_the_scope_allows() -> None:
    cfg = Config(kinds("mmdet"))
    name_types(cfg)
    assert cfg.to_dict() == {
        "default_scope": "mmdet",
        "model": {
            "type": "FasterRCNN",
            "norm_cfg": {"type": "BN"},
            "sync_cfg": {"type": "SyncBN"},
            "act_cfg": {"type": "SiLU"},
            "roi_layer": {"type": "RoIAlign"},  # mmdet looks it up in mmcv.ops
            "test_cfg": {"nms": {"type": "nms"}},
        },
        "optimizer": {"type": "AdamW"},
        "collate_fn": {"type": "pseudo_collate"},
        "custom_hooks": [{"type": "EMAHook", "ema_type": "ExpMomentumEMA"}],
        "pipeline": ({"type": "mmengine.RandomFlip"}, [{"type": "RandomFlip"}]),
    }


@pytest.mark.parametrize("scope", ["mmdet", "mmseg", "mmengine"])
def test_from_any_scope_a_name_gives_the_class_back(scope: str) -> None:
    cfg, classes = Config(kinds(scope)), kinds(scope)
    name_types(cfg)
    pairs = [
        (cfg.model.type, classes["model"]["type"]),
        (cfg.pipeline[0].type, classes["pipeline"][0]["type"]),
        (cfg.pipeline[1][0].type, classes["pipeline"][1][0]["type"]),
        (cfg.custom_hooks[0].ema_type, classes["custom_hooks"][0]["ema_type"]),
        (cfg.optimizer.type, classes["optimizer"]["type"]),
    ]
    for name, kind in pairs:
        assert kind in find_callables(name, scope)
    assert (cfg.model.type == "FasterRCNN") == (scope == "mmdet")


def test_a_users_classes_are_found_by_who_reads_the_names(users_types: Any) -> None:
    hooks = [{"type": users_types.MineOfTypeNames}, {"type": users_types.Plain}]
    cfg = Config({"custom_hooks": hooks})
    name_types(cfg)
    assert [hook.type for hook in cfg.custom_hooks] == ["MineOfTypeNames", "users_types.Plain"]
    assert cfg.custom_imports["imports"] == ["users_types"]
    assert type(HOOKS.build(cfg.custom_hooks[1])) is users_types.Plain


@pytest.mark.parametrize("make", [lambda module: module.local(), lambda module: lambda: None])
def test_what_has_no_name_is_refused(make: Callable[[Any], Any], users_types: Any) -> None:
    cfg = Config({"custom_hooks": [{"type": make(users_types)}]})
    with pytest.raises(UserError, match=r"neither registered nor .*: custom_hooks\.0\.type: "):
        name_types(cfg)


def test_a_file_is_read_with_its_bases_and_its_scope(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text(BASE)
    path = tmp_path / "leaf.py"
    path.write_text(LEAF)
    assert phase_of(path) is Phase.FINE_TUNING
    cfg = resolved_config(path, ["train_cfg.max_epochs=3"])
    assert cfg.to_dict() == {
        "default_scope": "mmdet",
        "model": {"type": "FasterRCNN", "backbone": {"type": "ResNet", "depth": 18}},
        "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 3},
        "custom_hooks": [{"type": "MineOfTypeNames"}, {"type": "users_types.Plain"}],
        "custom_imports": {"imports": ["users_types"], "allow_failed_imports": False},
    }
    again = tmp_path / "again.py"
    cfg.dump(again)
    assert read_config(again).to_dict() == cfg.to_dict()
