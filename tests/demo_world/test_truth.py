import xml.etree.ElementTree as ET

import numpy as np
import pytest

from bag_of_transfer.demo_world.classes import CLASS_NAMES
from bag_of_transfer.demo_world.scene import Picture, Seen
from bag_of_transfer.demo_world.sets import SPLITS
from bag_of_transfer.demo_world.truth import boxes_xml, label_mask, tight_box


def seen(label: int, rows: slice, columns: slice, area: int) -> Seen:
    mask = np.zeros((65, 97), bool)
    mask[rows, columns] = True
    return Seen(label, mask, area)


def picture(*objects: Seen) -> Picture:
    return Picture(np.zeros((65, 97, 3), np.uint8), objects)


def numbers(item: ET.Element) -> list[int]:
    return [int(item.findtext(f"bndbox/{corner}")) for corner in ("xmin", "ymin", "xmax", "ymax")]


def test_box_counts_from_one_and_includes_its_last_pixel() -> None:
    # Rows 2 to 4 and columns 10 to 19, counted from 0.
    assert tight_box(seen(0, slice(2, 5), slice(10, 20), 30).mask) == (11, 3, 20, 5)


def test_box_of_a_whole_picture_ends_at_its_size() -> None:
    assert tight_box(np.ones((65, 97), bool)) == (1, 1, 97, 65)


def test_annotation_tells_size_class_and_what_is_hidden() -> None:
    whole = seen(0, slice(0, 10), slice(0, 10), area=100)
    truncated = seen(1, slice(20, 30), slice(0, 10), area=200)  # 50 % visible
    difficult = seen(11, slice(40, 50), slice(0, 10), area=400)  # 25 % visible
    crumb = seen(2, slice(60, 63), slice(0, 5), area=20)  # 15 pixels
    root = ET.fromstring(boxes_xml(picture(whole, truncated, difficult, crumb), "train_0001"))
    assert root.findtext("filename") == "train_0001.png"
    assert [root.findtext(f"size/{side}") for side in ("width", "height", "depth")] == [
        "97",
        "65",
        "3",
    ]
    boxes = [
        (o.findtext("name"), o.findtext("truncated"), o.findtext("difficult"))
        for o in root.iter("object")
    ]
    assert boxes == [
        (CLASS_NAMES[0], "0", "0"),
        (CLASS_NAMES[1], "1", "0"),
        (CLASS_NAMES[11], "1", "1"),
    ]
    assert [numbers(o) for o in root.iter("object")][1] == [1, 21, 10, 30]


def test_mask_counts_classes_from_one_and_ignores_what_is_hardly_visible() -> None:
    mask = label_mask(
        picture(
            seen(3, slice(0, 10), slice(0, 10), area=100),
            seen(4, slice(20, 30), slice(0, 10), area=400),
        )
    )
    assert mask[5, 5] == 4
    assert mask[25, 5] == 255
    assert mask[50, 50] == 0
    assert mask.sum() == 100 * 4 + 100 * 255


@pytest.mark.parametrize("index", range(12))
def test_boxes_and_masks_of_one_picture_agree(index: int) -> None:
    drawn = SPLITS[2].draw(index, seed=0)
    mask, root = label_mask(drawn), ET.fromstring(boxes_xml(drawn, "x"))
    boxed = np.zeros(mask.shape, bool)
    for item in root.iter("object"):
        left, top, right, bottom = numbers(item)
        boxed[top - 1 : bottom, left - 1 : right] = True
        label = CLASS_NAMES.index(item.findtext("name")) + 1
        inside = mask[top - 1 : bottom, left - 1 : right]
        assert (inside == (255 if item.findtext("difficult") == "1" else label)).any()
    # Nothing but crumbs lies outside all boxes.
    assert ((mask > 0) & ~boxed).sum() < 16 * len(drawn.objects)
