import numpy as np
import pytest

from bag_of_transfer.demo_world.dice import Dice
from bag_of_transfer.demo_world.geometry import SUB, Window
from bag_of_transfer.demo_world.textures import TEXTURES, smooth_noise

WINDOW = Window(-3, 5, 125, 133)


@pytest.mark.parametrize("name", TEXTURES)
def test_weights_run_from_none_to_all_and_share_the_area(name: str) -> None:
    weight = TEXTURES[name](WINDOW, 9 * SUB, 13, Dice(1))
    assert weight.shape == (128, 128)
    assert weight.min() == 0
    assert weight.max() == 256
    assert 0.2 < weight.mean() / 256 < 0.65


@pytest.mark.parametrize("name", ["striped", "checked"])
def test_pattern_repeats_after_a_period(name: str) -> None:
    weight = TEXTURES[name](WINDOW, 8 * SUB, 0, Dice(1))
    assert np.array_equal(weight[:, 8:], weight[:, :-8])
    assert not np.array_equal(weight[:, 4:], weight[:, :-4])


def test_stripes_run_along_their_angle() -> None:
    weight = TEXTURES["striped"](WINDOW, 8 * SUB, 64, Dice(1))  # a quarter turn
    assert (weight == weight[:, :1]).all()


def test_dots_stand_in_staggered_rows() -> None:
    weight = TEXTURES["dotted"](WINDOW, 8 * SUB, 0, Dice(2))
    assert np.array_equal(weight[8:, 4:], weight[:-8, :-4])


def test_noise_is_smooth_and_bounded() -> None:
    height = smooth_noise(WINDOW, 16 * SUB, 0, Dice(3))
    assert 0 <= height.min() < 60
    assert 195 < height.max() <= 255
    # From one pixel to the next at most a sixteenth of the range.
    assert abs(np.diff(height, axis=1)).max() <= 255 // 16 + 1


def test_patterns_of_two_throws_differ() -> None:
    for texture in TEXTURES.values():
        first, second = (texture(WINDOW, 8 * SUB, 5, Dice(seed)) for seed in (0, 1))
        assert not np.array_equal(first, second)
