"""Fixtures of the classification tests: drawn images and a very small classifier."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from PIL import Image
from torch import Tensor, nn

from bag_of_transfer.classification import ImageClassifier
from tests.fast_builds import fill_with_zero_by_default

MEAN, STD = [120.0, 115.0, 105.0], [60.0, 57.0, 58.0]


@MODELS.register_module(force=True)
class OneConv(BaseModule):
    """A very small network with the attributes of a backbone."""

    out_channels, out_indices = (4, 6), (0, 1)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=2)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.conv1(x).relu()
        return first, self.conv2(first).relu()


@pytest.fixture
def without_default_init(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the drawing of default weights, which takes half of a build's time."""
    fill_with_zero_by_default(monkeypatch)


@pytest.fixture
def classifier_cfg() -> dict[str, Any]:
    return dict(
        type="ImageClassifier",
        data_preprocessor=dict(type="ClassificationPreprocessor", mean=MEAN, std=STD),
        backbone=dict(type="OneConv"),
        head=dict(type="LinearHead", num_classes=3),
    )


@pytest.fixture
def make_classifier(classifier_cfg: dict[str, Any]) -> Callable[..., ImageClassifier]:
    def make(**tricks: Any) -> ImageClassifier:
        torch.manual_seed(0)
        return MODELS.build({**classifier_cfg, **tricks})

    return make


@pytest.fixture
def draw_folder(tmp_path: Path) -> Callable[..., Path]:
    """Draw an ImageFolder in which each class has bars of its own width and direction."""

    def draw(name: str, classes: list[str], count: int = 2, px: tuple[int, int] = (40, 36)) -> Path:
        rng = np.random.default_rng(len(name))
        for number, class_name in enumerate(classes):
            folder = tmp_path / name / class_name
            folder.mkdir(parents=True)
            for index in range(count):
                noise = rng.integers(0, 40, (px[1], px[0], 3))
                bars = np.indices(px[::-1])[number % 2] // (3 + 2 * number) % 2 * 180
                pixels = (noise + bars[:, :, None]).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{index:03}.png")
        return tmp_path / name

    return draw
