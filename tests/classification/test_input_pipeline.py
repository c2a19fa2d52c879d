"""The paper's augmentation against colour arithmetic by another method."""

import colorsys
import itertools
import pickle

import numpy as np
import pytest
import torch
from mmengine.registry import TRANSFORMS
from PIL import Image
from torchvision.transforms import v2

from bag_of_transfer.classification.transforms import (
    HSVScale,
    PCANoise,
    RandomResizedCrop,
    Transform,
    build_pipeline,
    planes,
    scale_hsv,
    shift_levels,
)
from bag_of_transfer.engine.errors import UserError

COLOURS = [(200, 40, 90), (30, 160, 220), (128, 128, 128), (255, 255, 0), (0, 0, 0), (10, 90, 20)]


# A level is a whole number; float32 adds 0.0005.
ROUNDING = 0.5005


def picture(colours: list[tuple[int, int, int]]) -> Image.Image:
    return Image.fromarray(np.array([colours], dtype=np.uint8))


def exactly_scaled(colour: tuple[int, int, int], factors: list[float]) -> list[float]:
    h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    hue, saturation, value = factors
    scaled = colorsys.hsv_to_rgb(h * hue % 1, min(s * saturation, 1), min(v * value, 1))
    return [255 * c for c in scaled]


@pytest.mark.parametrize("seed", range(5))
def test_hsv_scale_agrees_with_colorsys(seed: int) -> None:
    torch.manual_seed(seed)
    out = np.asarray(HSVScale()(picture(COLOURS)))[0].astype(float)
    torch.manual_seed(seed)
    factors = torch.empty(3).uniform_(0.6, 1.4).tolist()
    expected = [exactly_scaled(colour, factors) for colour in COLOURS]
    np.testing.assert_allclose(out, expected, atol=ROUNDING)


@pytest.mark.parametrize("factor", [0.6, 0.7503, 1.0, 1.1, 1.25, 1.3995, 1.4, 7.3])
def test_a_hue_that_goes_round_is_as_near_as_any(factor: float) -> None:
    """All 1,530 colours of full saturation, whose hue moves a channel most."""
    up, down = [(255, i, 0) for i in range(256)], [(i, 255, 0) for i in range(256)]
    ring = sorted({tuple(np.roll(c, turn).tolist()) for c in up + down for turn in range(3)})
    assert len(ring) == 1530
    factors = np.array([factor, 1, 1], dtype=np.float32)
    out = scale_hsv(np.array([ring], np.uint8), factors)[0].astype(float)
    exact = [exactly_scaled(colour, factors.tolist()) for colour in ring]
    assert np.abs(out - exact).max() <= ROUNDING


@pytest.mark.parametrize("transform", [HSVScale(), PCANoise(std=0.5)])
def test_images_of_pillow_and_tensors_get_the_same_draws_and_colours(transform: Transform) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (65, 97, 3), np.uint8)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    outs = []
    for image in (Image.fromarray(pixels), tensor, tensor.contiguous()):
        torch.manual_seed(1)
        outs.append(np.asarray(transform(image)))
    assert outs[1].shape == (3, 65, 97)
    assert np.array_equal(outs[0].transpose(2, 0, 1), outs[1])
    assert np.array_equal(outs[1], outs[2])
    assert np.array_equal(tensor.permute(1, 2, 0), pixels)  # the input is not changed


def test_hsv_scale_of_factor_one_changes_nothing() -> None:
    out = np.asarray(HSVScale(1.0, 1.0)(picture(COLOURS)))
    np.testing.assert_array_equal(out[0], COLOURS)


def test_hsv_factors_fill_the_range() -> None:
    grey = picture([(100, 100, 100)])
    values = {np.asarray(HSVScale()(grey))[0, 0, 0].item() for _ in range(300)}
    assert 60 <= min(values) < 65
    assert 135 < max(values) <= 140


def test_pca_noise_is_one_shift_along_the_principal_colours() -> None:
    grey = np.full((4, 5, 3), 128, np.uint8)
    shifts = []
    for _ in range(2000):
        out = np.asarray(PCANoise(std=0.1)(Image.fromarray(grey))).astype(int) - 128
        assert (out == out[0, 0]).all()
        shifts.append(out[0, 0])
    # Covariance V diag(0.1 lambda)^2 V^T, plus 1/12 for rounding; the first vector is nearly
    # grey: 5.546^2 * 0.5675^2 = 9.9 for red.
    covariance = np.cov(np.array(shifts).T)
    vectors = np.array(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    )
    expected = vectors @ np.diag([5.546, 0.4794, 0.1148]) ** 2 @ vectors.T + np.eye(3) / 12
    np.testing.assert_allclose(covariance, expected, rtol=0.15)


def test_pca_noise_is_clipped() -> None:
    white = picture([(255, 255, 255), (0, 0, 0)])
    for seed in range(20):
        torch.manual_seed(seed)
        out = np.asarray(PCANoise(std=5.0)(white)).astype(int)[0]
        # A wrapped byte would be dark beside white, or bright beside black.
        assert out[0].min() > 100 or (out[0] < 255).all()
        assert (out[0] >= out[1]).all()


@pytest.mark.parametrize("signs", itertools.product((-1, 0, 1), repeat=3))
def test_a_shift_is_clipped_whichever_levels_are_negative(signs: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (65, 97, 3), np.uint8)
    before = pixels.copy()
    shift = np.array([*signs, 0]) * [3, 40, 255, 0]
    out = shift_levels(pixels, shift.astype(float))
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out, np.clip(pixels.astype(int) + shift[:3], 0, 255))
    np.testing.assert_array_equal(pixels, before)
    assert not np.shares_memory(out, pixels)


@pytest.mark.parametrize("transform", [HSVScale(), PCANoise()])
def test_colours_of_floats_are_refused(transform: Transform) -> None:
    with pytest.raises(TypeError, match=r"uint8.*torch\.float32"):
        transform(torch.rand(3, 5, 7))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(65, 97), (500, 375), (9, 700)])
def test_crops_of_tensors_are_torchvisions_and_within_a_level_of_pillows(
    size: tuple[int, int], mode: str
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 40, 3), np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).convert(mode)
    tensor = v2.functional.pil_to_tensor(image)
    for seed in range(6):
        outs = []
        for crop, picture in (
            (RandomResizedCrop((49, 33)), tensor),
            (v2.RandomResizedCrop((49, 33)), tensor),
            (v2.RandomResizedCrop((49, 33)), image),
            (RandomResizedCrop((49, 33)), image),
        ):
            torch.manual_seed(seed)
            outs.append(v2.PILToTensor()(crop(picture)))
        assert torch.equal(outs[0], outs[1])
        assert torch.equal(outs[2], outs[3])
        difference = (outs[0].int() - outs[2].int()).abs()
        assert difference.max() <= 1
        assert difference.float().mean() < 0.1


@pytest.mark.parametrize("options", [dict(interpolation=3), dict(antialias=False)])
def test_other_ways_of_resizing_are_torchvisions(options: dict) -> None:
    tensor = torch.randint(0, 256, (3, 65, 97), dtype=torch.uint8)
    outs = []
    for kind in (RandomResizedCrop, v2.RandomResizedCrop):
        torch.manual_seed(2)
        outs.append(kind(24, **options)(tensor))
    assert torch.equal(*outs)


def test_planes_are_the_same_tensor() -> None:
    pixels = torch.randint(0, 256, (5, 7, 4), dtype=torch.uint8)
    together = pixels.permute(2, 0, 1)
    apart = planes(together)
    assert apart.is_contiguous()
    assert torch.equal(apart, together)
    for other in (Image.new("RGB", (2, 2)), together.float()):
        assert planes(other) is other


def test_pipeline_ends_in_uint8_c_h_w() -> None:
    names = ["RandomResizedCrop", "RandomHorizontalFlip", "PILToTensor"]
    pipeline = [dict(type=f"torchvision/{name}") for name in names]
    pipeline[0]["size"] = (17, 23)
    pipeline[2:2] = [dict(type="HSVScale"), dict(type="PCANoise")]
    out = build_pipeline(pipeline)(Image.new("RGB", (65, 97), (1, 2, 3)))
    assert out.dtype == torch.uint8
    assert out.shape == (3, 17, 23)


def test_pipeline_survives_spawned_workers() -> None:
    pipeline = build_pipeline([dict(type="PCANoise"), dict(type="torchvision/PILToTensor")])
    assert pickle.loads(pickle.dumps(pipeline))(picture(COLOURS)).shape == (3, 1, 6)


def test_evaluation_resizes_the_short_side_and_crops_the_centre() -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 36:44] = 255  # a bright bar in the middle
    pipeline = [
        dict(type="torchvision/Resize", size=20),
        dict(type="torchvision/CenterCrop", size=16),
        dict(type="torchvision/PILToTensor"),
    ]
    out = build_pipeline(pipeline)(Image.fromarray(pixels))
    assert out.shape == (3, 16, 16)
    assert out[0, 8].argmax() in (7, 8)
    assert out[0, :, 0].max() == 0


@pytest.mark.parametrize(
    "step", [dict(type="HSVScales"), dict(type="HSVScale", low=2.0), dict(type="PCANoise", sd=1)]
)
def test_a_wrong_transform_is_an_error_naming_it(step: dict) -> None:
    with pytest.raises(UserError, match=step["type"]):
        build_pipeline([step])


def test_torchvisions_transforms_have_names() -> None:
    assert TRANSFORMS.get("torchvision/RandAugment") is not None
