"""Readers and preprocessor follow from the backbone's in_channels; what disagrees is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, DefaultScope
from PIL import Image

import bag_of_transfer.prediction.predictor  # noqa: F401  registers all networks
from bag_of_transfer.classification.image_folder import ImageFolder
from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.config.input_channels import follow_in_channels
from bag_of_transfer.engine.config.num_classes import fill_num_classes
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import task_named
from bag_of_transfer.prediction.pipeline import build_load
from tests.prediction.tiny_networks import CLASSES, CONFIGS

PER_CHANNEL = [10.0, 20.0, 30.0, 40.0]


def config(task: str, num: int) -> Config:
    cfg = read_config(CONFIGS[task])
    cfg.model.backbone.in_channels = num
    cfg.model.data_preprocessor.update(mean=PER_CHANNEL[:num], std=[2.0] * num)
    return cfg


@pytest.mark.parametrize("num", [1, 4])
@pytest.mark.parametrize("task", CONFIGS)
def test_the_network_gets_the_channels_as_stored(tmp_path: Path, task: str, num: int) -> None:
    pixels = np.full((64, 64, 4), (50, 60, 70, 80), np.uint8)
    if num == 1:
        pixels = np.full((64, 64), 50, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    cfg = config(task, num)
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmengine")):
        item = build_load(cfg, task_named(task)).file(tmp_path / "a.png")
        fill_num_classes(cfg, CLASSES[task])
        network = MODELS.build(cfg.model)
    samples = None if item.sample is None else [item.sample]
    data = {"inputs": item.inputs[None] if task == "cls" else [item.inputs]}
    data |= {"data_samples": samples} if samples else {}
    inputs = network.data_preprocessor(data)["inputs"]
    assert inputs.shape[1] == num
    expected = torch.tensor(
        [(v - m) / 2 for v, m in zip([50, 60, 70, 80], PER_CHANNEL, strict=True)]
    )[:num]
    torch.testing.assert_close(inputs[0, :, 5, 5], expected)
    network.eval()
    with torch.no_grad():
        assert len(network.extract_feat(inputs) if task != "cls" else network.backbone(inputs))


@DATASETS.register_module()
class MineOfFolders(ImageFolder):
    """A data set that derives from ours."""


@pytest.mark.parametrize("kind", ["mmengine.ImageFolder", "MineOfFolders"])
def test_a_data_set_follows_under_any_name(kind: str) -> None:
    cfg = config("cls", 4)
    cfg.train_dataloader.dataset.type = kind
    follow_in_channels(cfg)
    assert cfg.train_dataloader.dataset.channels == 4


def test_three_channels_change_nothing() -> None:
    for task in CONFIGS:
        cfg = read_config(CONFIGS[task])
        before = cfg.to_dict()
        assert follow_in_channels(cfg) == []
        assert cfg.to_dict() == before


@pytest.mark.parametrize("task", CONFIGS)
@pytest.mark.parametrize("part", ["mean", "std"])
def test_mean_and_std_of_another_length_are_refused(task: str, part: str) -> None:
    cfg = config(task, 4)
    cfg.model.data_preprocessor[part] = [1.0, 2.0, 3.0]
    with pytest.raises(UserError, match=rf"reads 4 .*backbone.in_channels.*preprocessor.{part}"):
        follow_in_channels(cfg)


@pytest.mark.parametrize("task", CONFIGS)
def test_a_reader_that_states_another_number_is_refused(task: str) -> None:
    cfg = read_config(CONFIGS[task])
    dataset: Any = cfg.train_dataloader.dataset
    reader = dataset if task == "cls" else dataset.pipeline[0]
    reader.channels = 1
    with pytest.raises(
        UserError, match=r"1 channels are stated.*reads 3.*train_dataloader.*channels"
    ):
        follow_in_channels(cfg)


@pytest.mark.parametrize("num", [1, 4])
@pytest.mark.parametrize(
    "name",
    [
        *("PhotoMetricDistortion", "HSVScale", "PCANoise", "torchvision/ColorJitter"),
        *("torchvision/RandomGrayscale", "mmdet.PhotoMetricDistortion", "YOLOXHSVRandomAug"),
        *("ColorTransform", "torchvision/RandomPhotometricDistort", "torchvision/RandAugment"),
    ],
)
def test_jitter_of_colours_that_are_not_there_is_refused(num: int, name: str) -> None:
    cfg = config("cls", num)
    cfg.train_dataloader.dataset.pipeline.insert(0, dict(type=name))
    with pytest.raises(UserError, match=rf"{name} changes colours.*train_dataloader.dataset"):
        follow_in_channels(cfg)


def test_channels_that_no_reader_gives_are_refused() -> None:
    with pytest.raises(UserError, match="no reader of images gives 2 channels"):
        follow_in_channels(config("seg", 2))
