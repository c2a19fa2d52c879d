"""Fixtures: small networks with every tensor filled, their checkpoints and files."""

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
import torch
from torch import nn

import backbones  # noqa: F401  registers ResNetA..D
import bag_of_transfer.detection  # noqa: F401  before anything imports mmdet
from bag_of_transfer.transfer.export import export_backbone
from tests.transfer.any_backbone_files import pretrained, undrawn

MEAN, STD = [123.68, 116.779, 103.939], [58.393, 57.12, 57.375]


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Fill each tensor with its own values; fresh unit batch norms all look alike."""
    rng = torch.Generator().manual_seed(seed)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=rng)
            tensor.copy_(noise + 0.5 if tensor.ndim == 1 else (noise - 0.5) * 0.1)
        else:
            tensor.zero_()
    return module


@pytest.fixture(scope="session")
def pretrained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the files of :func:`pretrained`, each of which is written once."""
    return tmp_path_factory.mktemp("pretrained")


@pytest.fixture(scope="session")
def pretrained_file(pretrained_folder: Path) -> Callable[[str], Path]:
    """Return a function that gives a network's backbone file, shared by tests: do not change it."""
    return lambda name: pretrained(name, pretrained_folder).path


@pytest.fixture
def small() -> Callable[..., nn.Module]:
    """Build a filled network, 8 channels wide by default."""

    def build(kind: str = "ResNetD", seed: int = 0, **kwargs: Any) -> nn.Module:
        settings = dict(type=kind, depth=50, stem_channels=8, base_channels=8) | kwargs
        return filled(undrawn(settings), seed)

    return build


@pytest.fixture
def write_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Write what SafeCheckpointHook writes for a classifier, ``epoch_7.pth``."""

    def write(
        network: nn.Module,
        path: Path | None = None,
        preprocessor: dict[str, Any] | None = None,
        **more: Any,
    ) -> Path:
        path = path or tmp_path / "run" / "epoch_7.pth"
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {f"backbone.{name}": tensor for name, tensor in network.state_dict().items()}
        state["head.fc.weight"] = torch.ones(3, 5)
        config = {
            "type": type(network).__name__,
            "depth": network.depth,
            "stem_channels": network.stem_channels,
            "base_channels": network.base_channels,
            "norm_cfg": network.norm_cfg,
        }
        chosen = preprocessor or {"type": "ClassificationPreprocessor", "mean": MEAN, "std": STD}
        model = {"type": "ImageClassifier", "backbone": config, "data_preprocessor": chosen}
        meta = {"epoch": 7, "iter": 210, "seed": 3, "dataset": "ImageFolder data/x"}
        meta["classes"] = ["a", "b", "c"]
        torch.save(
            {"meta": {**meta, "model_json": json.dumps(model)}, "state_dict": state, **more}, path
        )
        return path

    return write


@pytest.fixture(scope="session")
def exported_files() -> dict[str, Path]:
    """Return the files that tests exported, by their settings."""
    return {}


@pytest.fixture
def backbone_file(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    small: Callable[..., nn.Module],
    write_checkpoint: Callable[..., Path],
    exported_files: dict[str, Path],
) -> Callable[..., Path]:
    """Export a filled network's file and card, once for all tests; each test gets a copy."""

    def make(kind: str = "ResNetD", name: str = "backbone", **kwargs: Any) -> Path:
        key = repr((kind, sorted(kwargs.items())))
        if key not in exported_files:
            folder = tmp_path_factory.mktemp("exported")
            preprocessor = kwargs.pop("preprocessor", None)
            path = folder / "run" / "epoch_7.pth"
            checkpoint = write_checkpoint(small(kind, **kwargs), path, preprocessor)
            export_backbone(checkpoint, folder / "backbone.safetensors")
            exported_files[key] = folder / "backbone.safetensors"
        for suffix in (".safetensors", ".json"):
            copyfile(exported_files[key].with_suffix(suffix), tmp_path / f"{name}{suffix}")
        return tmp_path / f"{name}.safetensors"

    return make
