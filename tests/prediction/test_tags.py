"""Tags of crowded boxes do not cover each other, and stay at their boxes."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bag_of_transfer.prediction import drawing
from bag_of_transfer.prediction.colours import class_colours
from bag_of_transfer.prediction.tags import overlaps, place_tags

CLASSES = ("background", "person", "traffic light", "dog", "bicycle")


def crowd(num: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Return boxes of all sizes anywhere in a picture, some of them beyond its border."""
    rng = np.random.default_rng(seed)
    low = rng.random((num, 2)) * 0.9
    return np.concatenate([low, low + 0.03 + 0.2 * rng.random((num, 2))], 1) * (size * 2)


def covered(places: np.ndarray) -> float:
    """Return the share of the tags' pixels that other tags cover."""
    area = overlaps(places, places)
    return np.triu(area, 1).sum() / np.trace(area)


@pytest.mark.parametrize("size", [(640, 480), (375, 500)])
def test_sixty_boxes_have_tags_that_can_be_read(size, monkeypatch) -> None:
    tags, write = [], ImageDraw.ImageDraw.text

    def note(self, xy, text, fill, font, anchor):
        half = font.size / 2
        tags.append((text, (xy[0], xy[1] - half, xy[0] + font.getlength(text), xy[1] + half)))
        return write(self, xy, text, fill, font, anchor=anchor)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(1, 5, 60).tolist(), rng.uniform(0.3, 1, 60).tolist()
    image = Image.new("RGB", size, "white")
    first = drawing.with_boxes(image, crowd(60, size), labels, CLASSES, scores)
    again = drawing.with_boxes(image, crowd(60, size), labels, CLASSES, scores)
    assert np.array_equal(np.asarray(first), np.asarray(again))
    assert len(tags) == 2 * 60
    assert tags[:60] == tags[60:]
    wanted = [f"{CLASSES[label]} {score:.2f}" for label, score in zip(labels, scores, strict=True)]
    assert sorted(text for text, _ in tags[:60]) == sorted(wanted)  # nothing is cut or left out
    assert covered(np.array([place for _, place in tags[:60]])) < 0.01


@pytest.mark.parametrize("scores", [[0.5] * 60, None], ids=["predicted", "true"])
def test_where_names_would_hide_the_picture_a_legend_below_has_them(scores) -> None:
    boxes = np.linspace(0, 200, 60)[:, None] + np.array([0, 0, 60, 60])
    labels, image = [2] * 40 + [4] * 20, Image.new("RGB", (270, 270), "white")
    picture = drawing.with_boxes(image, boxes, labels, CLASSES, scores)
    colours = [class_colours(CLASSES)[label] for label in labels]
    named = drawing.with_boxes(image, boxes, labels, CLASSES, scores, colours=colours)
    assert (picture.width, named.size) == (270, (270, 270))
    assert picture.height > 270
    assert np.array_equal(np.asarray(picture)[:270], np.asarray(named))
    few = drawing.with_boxes(image, boxes[:1], labels[:1], CLASSES, scores and scores[:1])
    assert few.height == 270
    below = np.asarray(picture)[270:].reshape(-1, 3)
    for label in (2, 4):
        colour = class_colours(CLASSES)[label]
        assert (below == colour).all(1).sum() > 50
        assert (np.asarray(named) == colour).all(2).any()


def test_without_a_choice_of_places_the_same_tags_cover_each_other() -> None:
    """The test above can fail: the places that tags have by themselves would not do."""
    size, sizes = (640, 480), [(95, 17)] * 60
    boxes = [tuple(map(int, box)) for box in crowd(60, size).clip(0, (639, 479) * 2)]
    alone = [place_tags([box], [sizes[0]], size)[0] for box in boxes]
    together = place_tags(boxes, sizes, size)
    assert covered(np.array(alone)) > 0.2
    assert covered(np.array(together)) < 0.05
    assert together[0] == alone[0]  # the first box has the best place


def test_a_tag_touches_its_box_and_lies_in_the_picture() -> None:
    size = (320, 240)
    boxes = [tuple(map(int, box)) for box in crowd(80, size, seed=2).clip(0, (319, 239) * 2)]
    for box, place in zip(boxes, place_tags(boxes, [(60, 14)] * 80, size), strict=True):
        assert 0 <= place[0] < place[2] <= 320
        assert 0 <= place[1] < place[3] <= 240
        assert place[0] <= box[2]
        assert box[0] <= place[2]
        assert place[1] <= box[3]
        assert box[1] <= place[3]


@pytest.mark.parametrize(
    ("boxes", "sizes"),
    [([], []), ([(5, 5, 5, 5)] * 40, [(30, 12)] * 40), ([(0, 0, 49, 39)] * 3, [(50, 40)] * 3)],
    ids=["no box", "one place for all", "tags as large as the picture"],
)
def test_odd_crowds_are_placed_too(boxes, sizes) -> None:
    places = place_tags(boxes, sizes, (50, 40))
    assert len(places) == len(boxes)
    assert all(0 <= place[0] and place[2] <= 50 and place[3] <= 40 for place in places)
