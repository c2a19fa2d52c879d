import math

import numpy as np
import pytest

from bag_of_transfer.demo_world.dice import Dice
from bag_of_transfer.demo_world.geometry import SUB, UNIT, Pose, Window, cos_sin, plane
from bag_of_transfer.demo_world.shapes import CLUTTER_SHAPES, OBJECT_SHAPES

SHAPES = {**OBJECT_SHAPES, **CLUTTER_SHAPES}


def test_cosine_and_sine_are_right_to_the_last_bit_but_one() -> None:
    for angle in range(-256, 512):
        cos, sin = cos_sin(angle)
        assert abs(cos - 16384 * math.cos(angle * math.tau / 256)) <= 1
        assert abs(sin - 16384 * math.sin(angle * math.tau / 256)) <= 1


def test_plane_turns_about_its_centre() -> None:
    # A quarter turn: x becomes y, and y becomes -x; centres of pixels are at half.
    u, v = plane(Window(0, 0, 3, 2), cx=0, cy=0, angle=64)
    assert u.tolist() == [[8, 8, 8], [24, 24, 24]]
    assert v.tolist() == [[-8, -24, -40], [-8, -24, -40]]


def test_window_clips_to_the_picture() -> None:
    assert Window(-5, 3, 70, 9).clipped(64) == Window(0, 3, 64, 9)
    outside = Window(80, 80, 90, 90).clipped(64)
    assert outside.left == outside.right == 64


@pytest.mark.parametrize("name", SHAPES)
def test_window_holds_the_whole_object(name: str) -> None:
    for number in range(60):
        pose = Pose.thrown(Dice(number), cx=50 * SUB, cy=70 * SUB, radius=34 * SUB)
        mask = SHAPES[name](*pose.own_coordinates(), number * 17)
        assert mask.any()
        edge = np.concatenate((mask[0], mask[-1], mask[:, 0], mask[:, -1]))
        assert not edge.any()


@pytest.mark.parametrize("name", SHAPES)
def test_thirty_two_bits_suffice(name: str) -> None:
    """The largest object of any set, far from its centre: as in 64 bits."""
    pose = Pose(cx=128 * SUB, cy=128 * SUB, rx=40 * SUB, ry=30 * SUB, angle=24, shear=200,
                mirrored=True)  # fmt: skip
    u, v = pose.own_coordinates()
    assert u.dtype == v.dtype == np.int32
    for build in (0, UNIT - 1):
        narrow = SHAPES[name](u, v, build)
        wide = SHAPES[name](u.astype(np.int64), v.astype(np.int64), build)
        assert np.array_equal(narrow, wide)


def test_mirroring_turns_left_and_right() -> None:
    plain, mirror = (Pose(0, 0, 320, 320, 0, 0, mirrored) for mirrored in (False, True))
    (u, v), (mirrored_u, mirrored_v) = plain.own_coordinates(), mirror.own_coordinates()
    assert np.array_equal(u, -mirrored_u)
    assert np.array_equal(v, mirrored_v)
    assert u.min() < 0 < u.max()
