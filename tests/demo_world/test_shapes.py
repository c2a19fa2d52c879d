import math

import numpy as np
import pytest

from bag_of_transfer.demo_world.geometry import UNIT
from bag_of_transfer.demo_world.shapes import CLUTTER_SHAPES, OBJECT_SHAPES, Mask

V, U = np.indices((301, 301), np.int32) * 10 - 1500
CELL = 10 * 10 / UNIT**2  # area of one sample, in squared radii


def drawn(name: str, build: int = 512) -> Mask:
    return {**OBJECT_SHAPES, **CLUTTER_SHAPES}[name](U, V, build)


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("ring", math.pi * (1 - (430 / 1024) ** 2)),
        # Two bars 1920 x 640, less the square in which they meet.
        ("cross", (2 * 1920 * 640 - 640**2) / 1024**2),
        ("oval", math.pi * 940 * 650 / 1024**2),
        ("box", 4 * 860 * 560 / 1024**2),
    ],
)
def test_area_is_that_of_the_formula(name: str, area: float) -> None:
    assert drawn(name).sum() * CELL == pytest.approx(area, rel=0.02)


def test_star_has_five_points() -> None:
    """Going round outside the pentagon, the border is crossed ten times."""
    angle = np.linspace(0, math.tau, 720, endpoint=False)
    u, v = (800 * np.cos(angle)).astype(np.int32), (800 * np.sin(angle)).astype(np.int32)
    inside = OBJECT_SHAPES["star"](u, v, 0)
    assert (inside != np.roll(inside, 1)).sum() == 10


@pytest.mark.parametrize("name", [*OBJECT_SHAPES, *CLUTTER_SHAPES])
@pytest.mark.parametrize("build", [0, UNIT - 1])
def test_shape_lies_within_radius_one_and_a_quarter(name: str, build: int) -> None:
    mask = drawn(name, build)
    assert 0.25 < mask.sum() * CELL < math.pi
    assert np.hypot(U[mask], V[mask]).max() <= 1.25 * UNIT


def test_no_two_shapes_look_alike() -> None:
    masks = {name: drawn(name) for name in OBJECT_SHAPES}
    assert len(masks) == 6
    for name, first in masks.items():
        for other, second in masks.items():
            if name < other:
                assert (first & second).sum() / (first | second).sum() < 0.75, (name, other)
