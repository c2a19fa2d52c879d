"""Fields of a COCO file: a wrong type is refused with its entry and field."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.detection.coco_files import CocoFile, load_coco
from bag_of_transfer.engine.errors import UserError

SOUND = dict(
    images=[dict(id=1, file_name="a.png", width=40, height=30)],
    annotations=[dict(id=5, image_id=1, category_id=3, bbox=[1, 2, 10, 10], area=90, iscrowd=0)],
    categories=[dict(id=3, name="cat")],
)
NAN, INFINITE = float("nan"), float("inf")


def read(folder: Path, content: Any) -> list:
    path = folder / "val.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return load_coco(path).read_images(None)


def changed(part: str, key: str, value: Any) -> dict:
    coco = copy.deepcopy(SOUND)
    coco[part][0][key] = value
    return coco


WRONG = [
    *(("images", "id", value) for value in (None, [1], {}, True, 1.5, "", NAN)),
    *(("images", "file_name", value) for value in (None, 7, ["a"], "", " ")),
    *(("images", "width", value) for value in (-1, 40.5, "40", [40], NAN, 10**400)),
    *(("images", "height", value) for value in (INFINITE, True)),
    *(("annotations", "image_id", value) for value in (None, [1], True)),
    *(("annotations", "category_id", value) for value in (None, [3], {"id": 3}, False)),
    *(
        ("annotations", "bbox", value)
        for value in (None, [], [1, 2, 3], [1, 2, 3, 4, 5], "1,2,3,4")
    ),
    *(("annotations", "bbox", [value, 2, 10, 10]) for value in (None, "1", NAN, INFINITE, True)),
    *(("annotations", "bbox", value) for value in ({"x": 1}, [1, 2, 10**400, 4], [[1], 2, 3, 4])),
    *(("annotations", "area", value) for value in (-1, "90", NAN, INFINITE, [90], True, 10**400)),
    *(("annotations", "iscrowd", value) for value in (2, "0", "false", [], 0.5, NAN)),
    *(("annotations", "ignore", value) for value in (-1, "no", {})),
    *(("annotations", "segmentation", value) for value in ("rle", 7)),
    *(("categories", "id", value) for value in (None, [3], True)),
    *(("categories", "name", value) for value in (None, 7, 1.5, ["cat"], "", "  ", True)),
]


@pytest.mark.parametrize(("part", "key", "value"), WRONG)
def test_a_wrong_type_is_refused_with_its_entry_and_field(
    tmp_path: Path, part: str, key: str, value: Any
) -> None:
    with pytest.raises(UserError, match=rf"{key} is not .*\({part}\[0\]\): .*val\.json: \w"):
        read(tmp_path, changed(part, key, value))


@pytest.mark.parametrize(
    ("part", "key", "value", "expected"),
    [
        ("annotations", "iscrowd", None, False),
        ("annotations", "iscrowd", True, True),
        ("annotations", "iscrowd", 1.0, True),
        ("annotations", "segmentation", [], False),
    ],
)
def test_flags_are_read_whatever_their_form(
    tmp_path: Path, part: str, key: str, value: Any, expected: bool
) -> None:
    (box,) = read(tmp_path, changed(part, key, value))[0].boxes
    assert box.ignore is expected
    assert box.mask is None


@pytest.mark.parametrize("value", [None, 0, 40.0])
def test_sizes_may_be_missing_or_written_with_a_point(tmp_path: Path, value: Any) -> None:
    (image,) = read(tmp_path, changed("images", "width", value))
    assert image.width == (value or 0)


def test_white_space_around_a_name_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "val.json"
    path.write_text(json.dumps(changed("categories", "name", " traffic light\n")))
    assert load_coco(path).names == {3: "traffic light"}


def test_an_annotation_marked_ignore_is_left_out_with_a_word(
    tmp_path: Path, warnings_of: Callable[[], str]
) -> None:
    assert read(tmp_path, changed("annotations", "ignore", True))[0].boxes == ()
    assert "1 annotation marked 'ignore', neither learned nor counted" in warnings_of()


def test_a_file_listed_under_two_ids_is_warned_of(
    tmp_path: Path, warnings_of: Callable[[], str]
) -> None:
    coco = copy.deepcopy(SOUND)
    coco["images"].append(dict(coco["images"][0], id="two"))
    assert [image.image_id for image in read(tmp_path, coco)] == [1, "two"]
    assert "1 image files are listed under several ids, first a.png" in warnings_of()


def test_the_id_1_and_the_text_1_are_two_ids(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="annotation 5 belongs to image '1', which is not listed"):
        read(tmp_path, changed("annotations", "image_id", "1"))


def test_a_byte_order_mark_does_not_count(tmp_path: Path) -> None:
    assert len(read(tmp_path, json.dumps(SOUND).encode("utf-8-sig"))) == 1


DEEP = 100_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is not"),
        (b"\xff\xff\x00{}", "the file is not"),
        ('{"name": "ß"}'.encode("latin-1"), "the file is not"),
        (b'{"images": ' + b"9" * 5000 + b"}", "the file is not"),
        (b'{"images": [], "images": []}', "the key 'images' is given twice"),
        (json.dumps(SOUND).replace('"bbox"', '"bbox": [0, 0, 9, 9], "bbox"').encode(), "'bbox' is"),
        (b"[" * DEEP + b"]" * DEEP, "nested deeper"),
        (b'{"images": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", "nested deeper"),
        ([], "the file holds a list"),
        (7, "the file holds a single value"),
        (dict(SOUND, images={"1": {}}), "'images' is missing"),
        (dict(SOUND, images=[[1, "a.png"]]), r"images\[0\] lacks file_name, id"),
        (dict(SOUND, annotations=None), "'annotations' is missing"),
        (dict(SOUND, annotations=["x"]), r"annotations\[0\] lacks bbox, category_id, image_id"),
        (dict(SOUND, categories=["cat"]), r"categories\[0\] lacks id, name"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(UserError, match=rf"{message}.*: .*val\.json: "):
        read(tmp_path, content)


def test_a_name_that_no_file_system_takes_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "val.json"
    for name in ("a" * 5000, "a\0b", "../gone.png", "/gone.png"):
        path.write_text(json.dumps(changed("images", "file_name", name)))
        with pytest.raises(UserError, match=r"images are missing \(1, "):
            load_coco(path).read_images(tmp_path)


def test_the_name_of_a_group_is_no_class_unless_a_box_has_it(tmp_path: Path) -> None:
    coco = copy.deepcopy(SOUND)
    coco["categories"][0]["supercategory"] = "animals"
    coco["categories"].insert(0, dict(id=0, name="animals", supercategory="none"))
    coco["categories"].append(dict(id=9, name="dog", supercategory="dog"))  # of no box so far
    assert CocoFile(tmp_path, **coco).names == {3: "cat", 9: "dog"}
    coco["annotations"].append(dict(coco["annotations"][0], category_id=0))
    assert CocoFile(tmp_path, **coco).names == {0: "animals", 3: "cat", 9: "dog"}


def test_names_that_begin_a_folder_higher_are_explained(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").touch()
    named = changed("images", "file_name", "images/a.png")
    with pytest.raises(UserError, match=rf"images are missing .*begin in {tmp_path}: set data_pre"):
        CocoFile(tmp_path / "val.json", **named).read_images(tmp_path / "images")


def test_names_of_another_machine_are_explained(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").touch()
    named = changed("images", "file_name", "/home/bob/a.png")
    with pytest.raises(
        UserError, match=rf"missing .*write a\.png, as .* from {tmp_path}/images on"
    ):
        CocoFile(tmp_path / "val.json", **named).read_images(tmp_path / "images")


def test_a_polygon_outside_of_a_list_is_the_only_one(tmp_path: Path) -> None:
    corners = [1, 1, 9, 1, 9, 9]
    (box,) = read(tmp_path, changed("annotations", "segmentation", corners))[0].boxes
    assert box.mask == [corners]


def test_an_unused_category_of_the_same_name_is_no_class(tmp_path: Path) -> None:
    twin = dict(id=0, name="cat", supercategory="none")  # Roboflow's entry for the project
    coco = copy.deepcopy(SOUND)
    coco["categories"].insert(0, twin)
    assert CocoFile(tmp_path, **coco).names == {3: "cat"}
    coco["annotations"][0]["category_id"] = 3.0
    assert CocoFile(tmp_path, **coco).names == {3: "cat"}
    coco["annotations"].append(dict(coco["annotations"][0], category_id=0))
    with pytest.raises(UserError, match=r"categories\.name occur more than once"):
        _ = CocoFile(tmp_path, **coco).names


def test_a_missing_image_of_another_case_is_named(tmp_path: Path) -> None:
    (tmp_path / "A.PNG").touch()
    with pytest.raises(UserError, match=r"first: a\.png\): .*: write A\.PNG, as the file"):
        CocoFile(tmp_path / "val.json", **SOUND).read_images(tmp_path)
