"""Pictures: box and mask have the class's colour, letters stay inside, nothing is hidden."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bag_of_transfer.prediction import captions, drawing
from bag_of_transfer.prediction.colours import class_colours, readable_on

CLASSES = ("background", "cat", "dog", "a class whose name is longer than a small picture is wide")
GREY = (120, 120, 120)


def grey(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), GREY)


def changed(picture: Image.Image) -> np.ndarray:
    return (np.asarray(picture) != GREY).any(-1)


@pytest.mark.parametrize("count", [20, 80, 150])
def test_classes_have_colours_of_their_own(count: int) -> None:
    colours = class_colours([f"c{index}" for index in range(count)])
    assert len(set(colours)) == count
    if count == 20:  # VOC: no two are near each other, grey levels of 255
        away = np.abs(np.array(colours)[:, None] - np.array(colours)[None]).max(-1)
        assert away[~np.eye(20, dtype=bool)].min() >= 45


def test_a_class_has_one_colour_with_and_without_a_background() -> None:
    assert class_colours(("cat", "dog")) == class_colours(("background", "cat", "dog"))[1:]
    assert class_colours(("cat", "Background", "dog"))[1] is None


def test_letters_contrast_with_their_ground() -> None:
    for colour in class_colours([f"c{index}" for index in range(40)]):
        luma = np.dot((0.299, 0.587, 0.114), colour)
        letters = np.dot((0.299, 0.587, 0.114), readable_on(colour))
        assert abs(luma - letters) > 70


def test_a_box_has_its_colour_along_its_edges_and_leaves_its_inside() -> None:
    cat, dog = class_colours(CLASSES)[1:3]
    picture = drawing.with_boxes(grey(400, 300), np.array([[50, 100, 200, 250]]), [1], CLASSES)
    assert picture.size == (400, 300)
    for at in ((50, 180), (200, 180), (120, 100), (120, 250)):  # left, right, top, bottom
        assert picture.getpixel(at) == cat
    assert picture.getpixel((125, 175)) == GREY
    assert picture.getpixel((300, 50)) == GREY
    other = drawing.with_boxes(grey(400, 300), np.array([[50, 100, 200, 250]]), [2], CLASSES)
    assert other.getpixel((50, 180)) == dog


def test_a_small_image_is_enlarged_and_its_boxes_with_it() -> None:
    image = grey(60, 40)
    picture = drawing.with_boxes(image, np.array([[10, 20, 30, 35]]), [1], CLASSES, [0.5])
    assert picture.size == (360, 240)  # 6 times, so that the shorter side is 240
    assert picture.getpixel((60, 180)) == class_colours(CLASSES)[1]
    assert image.size == (60, 40)
    assert not changed(image).any()


@pytest.mark.parametrize("size", [(32, 32), (500, 375), (3000, 2000), (1500, 250)])
def test_letters_and_lines_grow_with_the_picture(size: tuple[int, int]) -> None:
    picture, _ = drawing.enlarged(grey(*size))
    share = captions.font_px(picture.size) / (picture.width * picture.height) ** 0.5
    assert 0.02 < share <= 0.05
    assert captions.font_px(picture.size) >= 12
    width, height = size[0], size[1]
    box = np.array([[0.2 * width, 0.5 * height, 0.8 * width, 0.9 * height]])
    drawn = changed(drawing.with_boxes(grey(*size), box, [1], CLASSES))
    column = drawn[:, int(drawn.shape[1] * 0.7)]  # crosses the two horizontal lines, not the tag
    assert column.sum() == 2 * drawing.line_px(picture.size)


@pytest.mark.parametrize(
    "box", [(0, 0, 50, 30), (380, 0, 399, 20), (380, 280, 399, 299), (0, 5, 399, 299)]
)
def test_a_tag_stays_whole_at_every_border(box: tuple[int, ...], monkeypatch) -> None:
    tags, write = [], ImageDraw.ImageDraw.text

    def note(self, xy, text, fill, font, anchor):
        tags.append((text, self.textbbox(xy, text, font, anchor)))
        return write(self, xy, text, fill, font, anchor=anchor)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    for label in (1, 3):
        drawing.with_boxes(grey(400, 300), np.array([box]), [label], CLASSES, [0.75])
    assert tags[0][0] == "cat 0.75"
    assert tags[1][0].startswith("a class whose name")
    for _, (left, top, right, bottom) in tags:
        assert 0 <= left < right <= 400
        assert 0 <= top < bottom <= 300


def test_the_surest_box_lies_on_top() -> None:
    boxes = np.array([[50, 100, 200, 250], [50, 100, 200, 250]])
    for scores, label in (([0.9, 0.4], 1), ([0.4, 0.9], 2)):
        picture = drawing.with_boxes(grey(400, 300), boxes, [1, 2], CLASSES, scores)
        assert picture.getpixel((50, 200)) == class_colours(CLASSES)[label]


def test_a_mask_is_blended_and_background_and_unknown_stay() -> None:
    mask = np.zeros((300, 400), int)
    mask[:, 100:200], mask[:, 200:300], mask[:, 300:] = 1, 2, 255
    picture = drawing.with_mask(grey(400, 300), mask, CLASSES)
    assert picture.getpixel((50, 150)) == picture.getpixel((350, 150)) == GREY
    for label, x in ((1, 150), (2, 250)):
        colour = class_colours(CLASSES)[label]
        mixed = tuple(round(0.45 * 120 + 0.55 * channel) for channel in colour)
        assert picture.getpixel((x, 0)) == picture.getpixel((x, 299)) == mixed


def test_legend_and_lines_stand_below_and_hide_nothing() -> None:
    cat = class_colours(CLASSES)[1]
    entries = [(None, "background 60%"), (cat, "cat 30%"), *[(cat, f"{CLASSES[3]} 1%")] * 3]
    for picture in (
        drawing.with_legend(grey(240, 300), entries),
        drawing.with_lines(grey(240, 300), [name for _, name in entries]),
    ):
        assert picture.width == 240
        assert picture.height > 340
        drawn = changed(picture)
        assert not drawn[:300].any()
        dark = (np.asarray(picture)[300:] < 90).all(-1)
        assert dark.any(1).sum() > 30  # letters, over many rows
        assert not dark[:, -1].any()  # and none cut off
    legend = np.asarray(drawing.with_legend(grey(240, 300), entries))[300:]
    square = captions.font_px((240, 300)) - 1  # inside its outline
    assert (legend == cat).all(-1).sum() >= 4 * square**2 * 0.9
    assert drawing.with_legend(grey(240, 300), []).size == (240, 300)


def test_a_text_that_does_not_fit_is_made_smaller_then_shorter() -> None:
    text, font = captions.fitted("cat", 20, 200)
    assert (text, font.size) == ("cat", 20)
    text, font = captions.fitted(CLASSES[3], 20, 500)
    assert text == CLASSES[3]
    assert font.size < 20
    text, font = captions.fitted(CLASSES[3], 20, 100)
    assert text.endswith("...")
    assert font.getlength(text) <= 100
