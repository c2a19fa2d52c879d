from dataclasses import replace

import numpy as np
import pytest

from bag_of_transfer.demo_world import scene
from bag_of_transfer.demo_world.canvas import Canvas
from bag_of_transfer.demo_world.dice import Dice
from bag_of_transfer.demo_world.geometry import Window
from bag_of_transfer.demo_world.sets import SPLITS

TRAIN = SPLITS[0].recipe
SOME = SPLITS[2].recipe


def test_paint_covers_what_lies_inside() -> None:
    canvas = Canvas(4)
    rgb = np.full((3, 3, 3), 7, np.int32)
    canvas.paint(np.eye(3, dtype=bool), Window(-1, 2, 2, 5), rgb, owner=5)
    # The diagonal's first pixel is left of the picture, its last below; (x 0, y 3) is inside.
    assert np.argwhere(canvas.owner == 5).tolist() == [[3, 0]]
    assert canvas.rgb.sum() == 3 * 7


def test_the_same_words_draw_the_same_picture() -> None:
    first, second, other = (scene.draw_picture(Dice(i), SOME, 0).rgb for i in (4, 4, 5))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_first_object_is_of_the_class_asked_for() -> None:
    for label in range(12):
        assert scene.draw_picture(Dice(label), SOME, label).objects[0].label == label


def test_objects_own_disjoint_pixels_within_their_area() -> None:
    several = 0
    for number in range(20):
        objects = scene.draw_picture(Dice(number), SOME, 0).objects
        several += len(objects) > 1
        assert sum(seen.mask.astype(int) for seen in objects).max() == 1
        assert all(0 <= seen.visible_percent <= 100 for seen in objects)
    assert several > 5


def test_occluders_hide_something_but_leave_enough() -> None:
    hidden = replace(TRAIN, num_clutter=(0, 0), num_occluders=(3, 3), margin_px=30)
    bare = replace(hidden, num_occluders=(0, 0))
    shares = []
    for number in range(40):
        some = scene.draw_picture(Dice(number), hidden, 3).objects[0].mask.sum()
        whole = scene.draw_picture(Dice(number), bare, 3).objects[0].mask.sum()
        shares.append(some / whole)
    assert min(shares) < 0.9
    # 45 % of the whole object, part of which may lie outside the picture.
    assert min(shares) >= 0.45


def test_visible_share_counts_what_lies_outside() -> None:
    mask = np.zeros((8, 8), bool)
    mask[:2, :5] = True
    assert scene.Seen(0, mask, area=40).visible_percent == 25


def test_colour_does_not_give_the_class_away() -> None:
    """Mean colours of two classes lie within what chance explains."""
    means = []
    for label in (0, 3, 9):
        pictures = [scene.draw_picture(Dice(label, i), TRAIN, label).rgb for i in range(60)]
        means.append(np.stack([picture.mean((0, 1)) for picture in pictures]))
    for first, second in ((0, 1), (0, 2), (1, 2)):
        error = np.sqrt((means[first].var(0) + means[second].var(0)) / 60)
        assert (abs(means[first].mean(0) - means[second].mean(0)) < 4 * error).all()


@pytest.mark.parametrize("recipe", [TRAIN, SOME], ids=["64", "128"])
def test_pictures_use_the_range_of_brightness(recipe: scene.Recipe) -> None:
    pictures = [scene.draw_picture(Dice(i), recipe, 0).rgb for i in range(20)]
    assert {picture.dtype for picture in pictures} == {np.dtype(np.uint8)}
    assert {picture.shape for picture in pictures} == {(recipe.size, recipe.size, 3)}
    assert 70 < np.mean(pictures) < 150
    assert min(picture.std() for picture in pictures) > 8
