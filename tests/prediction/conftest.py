"""Checkpoints of the tiny configs with random weights, and pictures of several sizes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bag_of_transfer.prediction import Predictor
from tests.prediction.tiny_networks import CONFIGS, SIZES, save_checkpoints


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return save_checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder of pictures of noise and squares; two have the same size."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        pixels[10:40, 10:40] = rng.integers(0, 256, 3)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def predictors(checkpoints: dict[str, Path]) -> dict[str, Predictor]:
    """Return a predictor per task."""
    return {task: Predictor(CONFIGS[task], checkpoints[task], "cpu") for task in CONFIGS}
