"""Colours changed on the device: the numbers of HSVScale and PCANoise, but for rounding."""

import colorsys
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import default_collate

from bag_of_transfer.classification import ClassificationPreprocessor, ImageClassifier, ImageFolder
from bag_of_transfer.classification.colours import change_colours
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.draws import SeededItems
from bag_of_transfer.engine.loop.turns import TurnIndex

HSV, NOISE = dict(type="HSVScale"), dict(type="PCANoise", std=0.3)
FLIP, END = dict(type="torchvision/RandomHorizontalFlip"), dict(type="torchvision/PILToTensor")
CROP = dict(type="RandomResizedCrop", size=(13, 17))
AS_THEY_ARE = ClassificationPreprocessor([0.0] * 3, [1.0] * 3)


def exactly(colour: list[float], factors: list[float], shift: list[float]) -> list[float]:
    h, s, v = colorsys.rgb_to_hsv(*(level / 255 for level in colour))
    hue, saturation, value = factors
    scaled = colorsys.hsv_to_rgb(h * hue % 1, min(s * saturation, 1), min(v * value, 1))
    return [min(max(255 * level + add, 0), 255) for level, add in zip(scaled, shift, strict=True)]


def test_colours_are_those_of_exact_arithmetic() -> None:
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (6, 3, 9, 7), generator=draws)
    pixels[0] = pixels[0, :1]  # grey
    pixels[1, :, :4] = torch.tensor([0, 255, 0])[:, None, None]
    pixels[1, :, 4:] = torch.tensor([255, 255, 254])[:, None, None]
    factors = torch.empty(6, 3).uniform_(0.3, 2.5, generator=draws)
    shift = 20 * torch.randn(6, 3, generator=draws)
    out = change_colours(pixels.float(), {"factors": factors, "shift": shift})
    for image, before, *drawn in zip(out, pixels, factors, shift, strict=True):
        colours = before.flatten(1).T.tolist()
        expected = [exactly(colour, *(row.tolist() for row in drawn)) for colour in colours]
        torch.testing.assert_close(image.flatten(1).T, torch.tensor(expected), rtol=0, atol=0.002)


@pytest.mark.parametrize("colours", [[HSV, NOISE], [HSV], [NOISE]])
@pytest.mark.parametrize("crop", ["RandomResizedCrop", "torchvision/RandomResizedCrop"])
def test_views_are_the_same_within_a_level(
    draw_folder: Callable[..., Path], colours: list[dict], crop: str
) -> None:
    root = str(draw_folder("train", ["a", "b"]))
    pipeline = [{**CROP, "type": crop}, FLIP, *colours, END]
    batches = []
    for on_device in (False, True):
        data = SeededItems(ImageFolder(root, pipeline, colours_on_device=on_device), seed=3)
        items = [data[TurnIndex(index, (epoch,))] for index in (2, 0, 3) for epoch in (0, 5)]
        batches.append(AS_THEY_ARE(default_collate(items), training=True))
    images, ours = (batch["inputs"] for batch in batches)
    # HSVScale and PCANoise round by half a level each, and their sum to a whole one.
    assert (images - ours).abs().max() <= 1.001
    assert (images - ours).abs().mean() < 0.5
    assert set(batches[1]) == {"inputs", "labels"}
    assert torch.equal(batches[0]["labels"], batches[1]["labels"])


def test_mixup_mixes_what_the_device_has_coloured(
    draw_folder: Callable[..., Path], make_classifier: Callable[..., ImageClassifier]
) -> None:
    root, mixed = str(draw_folder("train", ["a", "b", "c"])), []
    network: Any = make_classifier(mixup=dict(alpha=1.0))
    for on_device in (False, True):
        data = ImageFolder(root, [CROP, HSV, NOISE, END], colours_on_device=on_device)
        items = SeededItems(data, seed=0)
        batch = default_collate([items[TurnIndex(index, (0,))] for index in range(6)])
        batch = network.data_preprocessor(batch, True)
        images = batch["inputs"].contiguous(memory_format=torch.channels_last)
        mixed.append(network.mix(images, torch.eye(6), random.Random(0)))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.isfinite(network(**batch, mode="loss")["loss"])
    (images, targets), (ours, our_targets) = mixed
    assert ((images - ours).abs() * network.data_preprocessor.std).max() <= 1.001
    assert torch.equal(targets, our_targets)


@pytest.mark.parametrize(
    "pipeline",
    [[CROP, END], [HSV, CROP, END], [CROP, NOISE, HSV, END], [CROP, HSV, HSV, END], [CROP, HSV],
     [CROP, HSV, FLIP, NOISE, END]],
)  # fmt: skip
def test_pipelines_in_which_the_device_would_draw_otherwise_are_refused(
    draw_folder: Callable[..., Path], pipeline: list[dict]
) -> None:
    root = str(draw_folder("train", ["a"], count=1))
    with pytest.raises(UserError, match=r"colours_on_device.*end it in HSVScale, PCANoise"):
        ImageFolder(root, pipeline, colours_on_device=True)
