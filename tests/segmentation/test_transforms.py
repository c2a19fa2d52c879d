"""GluonCV's blur against Pillow by value, and padding to windows by hand."""

import numpy as np
import pytest
from mmengine.registry import TRANSFORMS, DefaultScope
from PIL import Image, ImageFilter

from bag_of_transfer.segmentation.transforms import PadToWindows, RandomGaussianBlur, windows_px


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (65, 97, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "stated",
    [{"type": "RandomGaussianBlur"}, {"type": "PadToWindows", "crop_px": 3, "stride_px": 2}],
)
def test_mmsegs_configs_build_ours(stated: dict) -> None:
    with DefaultScope.overwrite_default_scope("mmseg"):
        built = TRANSFORMS.build(stated)
    assert type(built).__module__ == "bag_of_transfer.segmentation.transforms"


def test_blurs_as_pillow_does_with_the_drawn_radius(picture, monkeypatch) -> None:
    draws = iter([0.2, 0.7])  # below prob: blur; radius 0.7 x 1.5
    monkeypatch.setattr(np.random, "random", lambda: next(draws))
    given, mask = picture.copy(), np.zeros((65, 97), np.uint8)
    result = RandomGaussianBlur(prob=0.5, max_radius=1.5).transform(
        {"img": picture, "gt_seg_map": mask}
    )
    expected = np.array(Image.fromarray(given).filter(ImageFilter.GaussianBlur(0.7 * 1.5)))
    np.testing.assert_array_equal(result["img"], expected)
    assert result["img"].dtype == np.uint8
    assert (expected != given).mean() > 0.5  # it compares something
    np.testing.assert_array_equal(picture, given)  # nothing is changed in place
    assert result["gt_seg_map"] is mask


def test_channels_are_blurred_each_by_itself(picture, monkeypatch) -> None:
    monkeypatch.setattr(np.random, "random", lambda: 0.3)
    blur = RandomGaussianBlur()
    rgb = blur.transform({"img": picture})["img"]
    bgr = blur.transform({"img": np.ascontiguousarray(picture[..., ::-1])})["img"]
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])


@pytest.mark.parametrize(("prob", "low", "high"), [(0, 0, 0), (0.5, 440, 560), (1, 1000, 1000)])
def test_so_many_of_a_thousand_are_blurred(prob: float, low: int, high: int) -> None:
    # 0.5: binomial of standard deviation 16; the bounds are 3.8 of them away
    np.random.seed(0)  # noqa: NPY002
    blur = RandomGaussianBlur(prob=prob)
    picture = np.zeros((2, 3, 3), np.uint8)
    changed = sum(blur.transform({"img": picture})["img"] is not picture for _ in range(1000))
    assert low <= changed <= high


def test_radii_are_uniform_from_0_to_the_largest(picture, monkeypatch) -> None:
    radii: list[float] = []
    monkeypatch.setattr(ImageFilter, "GaussianBlur", lambda r: radii.append(r) or ImageFilter.BLUR)
    np.random.seed(0)  # noqa: NPY002
    blur = RandomGaussianBlur(prob=1, max_radius=2)
    for _ in range(1000):
        blur.transform({"img": picture[:8, :8]})
    counts = np.histogram(radii, bins=4, range=(0, 2))[0]
    assert counts.sum() == 1000
    assert (abs(counts - 250) < 55).all()  # standard deviation 13.7 each


@pytest.mark.parametrize("bad", [{"prob": 1.1}, {"prob": -0.1}, {"max_radius": -1}])
def test_a_blur_that_cannot_be_is_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match=r"prob|max_radius"):
        RandomGaussianBlur(**bad)


@pytest.mark.parametrize(
    ("side", "expected"),
    # 480 + 320 k: one window, two, three
    [(1, 480), (480, 480), (481, 800), (800, 800), (801, 1120), (910, 1120)],
)
def test_windows_tile_a_side(side: int, expected: int) -> None:
    assert windows_px(side, 480, 320) == expected


@pytest.mark.parametrize("flip", [False, True])
def test_pads_black_at_the_end_or_for_flipped_ones_at_the_start(picture, flip: bool) -> None:
    picture[picture == 0] = 1
    pad = PadToWindows(crop_px=48, stride_px=32)  # 65 -> 80, 97 -> 112
    result = pad.transform({"img": picture, "flip": flip})
    assert result["img"].shape == (80, 112, 3)
    assert result["img_shape"] == result["pad_shape"] == (80, 112)
    assert result["padding_size"] == ((15, 0, 0, 15) if flip else (0, 15, 0, 15))
    expected = np.zeros((80, 112, 3), np.uint8)
    expected[:65, :97] = picture[:, ::-1] if flip else picture
    grey = pad.transform({"img": picture[..., 0], "flip": flip})["img"]
    np.testing.assert_array_equal(grey, result["img"][..., 0])
    # A flipped picture is what the padded one is when it is flipped.
    np.testing.assert_array_equal(result["img"], expected[:, ::-1] if flip else expected)


@pytest.mark.parametrize("bad", [(0, 1), (1, 0)])
def test_windows_without_a_size_are_refused(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        PadToWindows(*bad)
