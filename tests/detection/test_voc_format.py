"""VOC folders: what is read, and the messages when something is wrong."""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmdet.datasets import XMLDataset
from mmengine.dataset import ConcatDataset
from PIL import Image

from bag_of_transfer.detection import voc_files
from bag_of_transfer.detection.annotations import AnnotatedImage, Box, check_twins
from bag_of_transfer.detection.datasets import VocFormat
from bag_of_transfer.detection.voc_xml import read_xml
from bag_of_transfer.engine.data.data_sets import check_dataset
from bag_of_transfer.engine.errors import UserError

Draw = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, draw_voc: Draw) -> Path:
    return draw_voc(tmp_path / "voc", train=6, val=3)


def train_split(folder: Path, **kwargs: Any) -> VocFormat:
    # Serialising calls the garbage collector, a quarter of a second in a large process.
    kwargs = dict(data_root=str(folder), serialize_data=False, **kwargs)
    return VocFormat(ann_file="ImageSets/Main/train.txt", **kwargs)


def edit(folder: Path, number: int, old: str, new: str) -> str:
    path = folder / f"Annotations/{number:06d}.xml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path.name


def test_classes_are_the_sorted_names_in_the_annotations(folder: Path) -> None:
    assert train_split(folder).metainfo["classes"] == ("brick", "leaf")


def test_classes_of_another_split_are_those_of_classes_from(folder: Path) -> None:
    for number in (1000, 1001, 1002):  # val has bricks only, and keeps the label of leaf free
        edit(folder, number, "<name>leaf</name>", "<name>brick</name>")
    split = dict(data_root=str(folder), ann_file="ImageSets/Main/val.txt", test_mode=True)
    assert VocFormat(**split).metainfo["classes"] == ("brick",)
    both = VocFormat(**split, classes_from="ImageSets/Main/train.txt")
    assert both.metainfo["classes"] == ("brick", "leaf")


def test_val_takes_the_classes_of_train_without_reading_its_annotations_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(annotation: Path, *more: Any) -> AnnotatedImage:
        read.append(annotation.name)
        return read_xml(annotation, *more)

    monkeypatch.setattr(voc_files, "read_xml", counted)
    train_split(folder)
    assert len(read) == 6
    val = dict(ann_file="ImageSets/Main/val.txt", classes_from="ImageSets/Main/train.txt")
    val |= dict(data_root=str(folder), test_mode=True)
    assert VocFormat(**val).metainfo["classes"] == ("brick", "leaf")
    assert len(read) == 6 + 3
    edit(folder, 2, "<name>leaf</name>", "<name>stone</name>")  # it has changed, so it is read
    assert VocFormat(**val).metainfo["classes"] == ("brick", "leaf", "stone")
    (folder / "classes.txt").write_text("leaf\nbrick\nstone\n")
    assert VocFormat(**val).metainfo["classes"] == ("leaf", "brick", "stone")


def test_instances_equal_mmdets_reader(folder: Path) -> None:
    edit(folder, 3, "<difficult>0</difficult>", "<difficult>1</difficult>")
    edit(folder, 5, "<size>", "<owner>me</owner><size>")
    for path in (folder / "JPEGImages").glob("*.png"):  # mmdet's reader knows JPEG only
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    theirs = XMLDataset(
        data_root=str(folder),
        ann_file="ImageSets/Main/train.txt",
        data_prefix=dict(sub_data_root=""),
        metainfo=dict(classes=("brick", "leaf")),
    )
    ours = train_split(folder)
    assert len(ours) == len(theirs) == 6
    for index in range(6):
        mine, other = ours.get_data_info(index), theirs.get_data_info(index)
        for key in ("img_id", "img_path", "width", "height", "instances"):
            assert mine[key] == other[key], key
    flags = [x["ignore_flag"] for x in ours.get_data_info(3)["instances"]]
    assert flags == [1, 1]


def test_the_box_stands_on_the_drawn_rectangle(folder: Path) -> None:
    info = train_split(folder).get_data_info(0)  # a PNG: colours are exact
    picture = np.asarray(Image.open(info["img_path"]))
    for instance, colour in zip(info["instances"], ((200, 60, 40), (40, 160, 60)), strict=True):
        x1, y1, x2, y2 = instance["bbox"]  # from 0, the last pixel inside
        assert (picture[y1 : y2 + 1, x1 : x2 + 1] == colour).all()
        assert not (picture[y1 : y2 + 2, x1 : x2 + 2] == colour).all()


def test_images_are_found_whatever_their_suffix(folder: Path) -> None:
    suffixes = {Path(train_split(folder).get_data_info(i)["img_path"]).suffix for i in range(6)}
    assert suffixes == {".png", ".jpg"}


def test_two_images_of_one_name_are_refused(folder: Path) -> None:
    name = folder / "JPEGImages" / Path(train_split(folder).get_data_info(0)["img_path"]).stem
    Image.open(f"{name}.png").save(f"{name}.webp")
    with pytest.raises(UserError, match=rf"share one annotation: {name}.png, {name}.webp: remove"):
        train_split(folder)


def test_an_unknown_class_is_refused_with_the_nearest_spelling(folder: Path) -> None:
    name = edit(folder, 1001, "<name>leaf</name>", "<name>leave</name>")
    with pytest.raises(UserError, match=rf"unknown class 'leave'.*{name}.*did you mean 'leaf'\?"):
        VocFormat(
            data_root=str(folder),
            ann_file="ImageSets/Main/val.txt",
            classes_from="ImageSets/Main/train.txt",
        )


def test_a_class_without_a_box_is_warned_of(folder: Path, warnings_of: Callable[[], str]) -> None:
    train_split(folder, metainfo=dict(classes=("brick", "leaf", "pond")))
    assert "no box of 1 of 3 classes: pond" in warnings_of()


def test_names_that_look_alike_are_warned_of(folder: Path, warnings_of: Callable[[], str]) -> None:
    edit(folder, 2, "<name>brick</name>", "<name>bricks</name>")
    assert train_split(folder).metainfo["classes"] == ("brick", "bricks", "leaf")
    assert "'brick' (5 boxes) and 'bricks' (1) look alike" in warnings_of()


def test_names_that_differ_in_a_number_are_two_classes(tmp_path: Path) -> None:
    names = ["limit 30"] * 40 + ["limit 80"]
    boxes = tuple(Box(name, (0, 0, 9, 9), ignore=False) for name in names)
    check_twins([AnnotatedImage("a", tmp_path / "a.png", tmp_path, 9, 9, boxes)], "mend")


def test_accents_of_another_system_are_the_same_name(folder: Path) -> None:
    split, joined = (unicodedata.normalize(form, "na\u00efve") for form in ("NFD", "NFC"))
    for part, suffix in (("JPEGImages", ".png"), ("Annotations", ".xml")):
        first = min((folder / part).glob("*" + suffix))
        first.rename(folder / part / f"{split}{suffix}")
    (folder / "ImageSets/Main/train.txt").write_text(joined, encoding="utf-8")
    assert train_split(folder)[0]["img_path"].endswith(f"{split}.png")


def test_a_rare_name_beside_its_lookalike_is_an_error(folder: Path, draw_voc: Draw) -> None:
    many = draw_voc(folder.with_name("many"), train=40)
    name = edit(many, 2, "<name>brick</name>", "<name>bricks</name>")
    with pytest.raises(UserError, match=rf"'bricks' \(1\) look like one.*{name}.*classes\.txt"):
        train_split(many)
    (many / "classes.txt").write_text("brick\nbricks\nleaf\n")  # the user's word for it
    assert train_split(many).metainfo["classes"] == ("brick", "bricks", "leaf")


@pytest.mark.parametrize("variant", ["Brick", "BRICK", "\uff42rick", "brick\u200b"])
def test_names_that_differ_in_case_or_width_only_are_refused(folder: Path, variant: str) -> None:
    name = edit(folder, 2, "<name>brick</name>", f"<name>{variant}</name>")
    with pytest.raises(UserError, match=rf"differ only in case.*: .*000000\.xml, .*{name}: write"):
        train_split(folder)
    with pytest.raises(UserError, match=rf"unknown class .*{name}:\d+: did you mean 'brick'\?"):
        train_split(folder, metainfo=dict(classes=("leaf", "brick")))
    # Two classes after all, where the config says so: letters to be read, say.
    both = train_split(folder, metainfo=dict(classes=("leaf", "brick", variant)))
    assert both.get_data_info(2)["instances"][0]["bbox_label"] == 2


def test_classes_txt_states_the_classes_and_their_order(folder: Path) -> None:
    (folder / "classes.txt").write_text("leaf\nbrick\n")
    assert train_split(folder).metainfo["classes"] == ("leaf", "brick")
    name = edit(folder, 2, "<name>brick</name>", "<name>bricks</name>")
    with pytest.raises(UserError, match=rf"'bricks' .*{name}:\d+: did you mean 'brick'"):
        train_split(folder)


def test_one_string_is_not_taken_for_many_classes(folder: Path) -> None:
    with pytest.raises(UserError, match=r"classes is one name: brick"):
        train_split(folder, metainfo=dict(classes="brick"))


def _remove_folder(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def _remove_list(folder: Path) -> None:
    (folder / "ImageSets/Main/train.txt").unlink()


def _empty_list(folder: Path) -> None:
    (folder / "ImageSets/Main/train.txt").write_text("\n")


def _name_twice(folder: Path) -> None:
    (folder / "ImageSets/Main/train.txt").write_text("000001\n000002\n000001\n")


def _remove_images(folder: Path) -> None:
    (folder / "JPEGImages/000001.jpg").unlink()
    (folder / "JPEGImages/000004.png").unlink()


def _remove_annotation(folder: Path) -> None:
    (folder / "Annotations/000002.xml").unlink()


def _break_annotation(folder: Path) -> None:
    edit(folder, 2, "</annotation>", "")


def _remove_corner(folder: Path) -> None:
    edit(folder, 2, "xmin", "left")


def _remove_objects(folder: Path, number: int) -> None:
    path = folder / f"Annotations/{number:06d}.xml"
    path.write_text(re.sub("<object>.*</object>", "", path.read_text()))


def _remove_all_boxes(folder: Path) -> None:
    for number in range(6):
        _remove_objects(folder, number)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_remove_folder, r"no such data folder: .*voc: .*DATA_ROOT"),
        (_remove_list, r"no such list of images: .*train\.txt: .*prepare_data"),
        (_empty_list, r"the list names no images: .*train\.txt"),
        (_name_twice, r"names occur more than once \(1, first: 000001\)"),
        (_remove_images, r"images are missing \(2, first: 000001\): .*train\.txt: .*JPEGImages"),
        (_remove_annotation, r"annotations are missing \(1, first: 000002\.xml\)"),
        (_break_annotation, r"cannot be understood \(.*\): .*000002\.xml: "),
        (_remove_corner, r"cannot be understood \(no <bndbox/xmin>\): .*000002\.xml:\d+: "),
        (_remove_all_boxes, r"no annotation holds a box: .*train\.txt"),
    ],
)
def test_broken_data_is_refused(folder: Path, harm: Callable[[Path], None], message: str) -> None:
    harm(folder)
    with pytest.raises(UserError, match=message):
        train_split(folder)


def test_a_truncated_image_is_left_out_and_named(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    _truncate(folder / "JPEGImages/000001.jpg")
    assert [train_split(folder).get_data_info(i)["img_id"] for i in range(5)] == [
        f"{number:06d}" for number in (0, 2, 3, 4, 5)
    ]
    assert "left out 1 of 6" in warnings_of()
    assert "000001.jpg" in warnings_of()


def test_more_truncated_images_than_allowed_stop_the_run(folder: Path) -> None:
    _truncate(folder / "JPEGImages/000001.jpg")
    _truncate(folder / "JPEGImages/000002.png")
    with pytest.raises(UserError, match="2 of 6 images can't be read"):
        train_split(folder, max_unreadable=1)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_box_beyond_the_image_is_clipped_and_warned_of(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    xml = (folder / "Annotations/000000.xml").read_text()
    xmax = xml.split("<xmax>")[-1].split("<")[0]
    edit(folder, 0, f"<xmax>{xmax}<", "<xmax>300<")
    assert train_split(folder).get_data_info(0)["instances"][1]["bbox"][2] == 96
    assert "boxes reach out of 1 image, clipped: 000000.xml:" in warnings_of()


def test_a_box_without_area_is_left_out_and_warned_of(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    xml = (folder / "Annotations/000000.xml").read_text()
    xmin, xmax = (xml.split(f"<{tag}>")[1].split("<")[0] for tag in ("xmin", "xmax"))
    edit(folder, 0, f"<xmax>{xmax}<", f"<xmax>{xmin}<")
    info = train_split(folder).get_data_info(0)
    assert len(info["instances"]) == 1
    assert info["numbers"] == [1]
    line = xml.partition("<object>")[0].count("\n") + 1
    assert f"boxes without area in 1 image, left out: 000000.xml:{line}" in warnings_of()


def test_swapped_corners_are_called_so(folder: Path, warnings_of: Callable[[], str]) -> None:
    xml = (folder / "Annotations/000000.xml").read_text()
    xmin, xmax = (xml.split(f"<{tag}>")[1].split("<")[0] for tag in ("xmin", "xmax"))
    edit(folder, 0, f"<xmin>{xmin}</xmin>", f"<xmin>{xmax}</xmin>")
    edit(folder, 0, f"<xmax>{xmax}</xmax>", f"<xmax>{xmin}</xmax>")
    assert len(train_split(folder).get_data_info(0)["instances"]) == 1
    assert "boxes with swapped corners (a negative side) in 1 image, left out" in warnings_of()
    assert "without area" not in warnings_of()


def test_images_without_a_box_are_counted(folder: Path, warnings_of: Callable[[], str]) -> None:
    _remove_objects(folder, 0)
    _remove_objects(folder, 3)
    train_split(folder)
    assert "train.txt: 2 of 6 images have no box" in warnings_of()


@pytest.mark.parametrize("test_mode", [False, True])
def test_a_split_in_which_no_box_counts_is_refused(folder: Path, test_mode: bool) -> None:
    for number in range(6):
        edit(folder, number, "<difficult>0", "<difficult>1")
    aim = "judge by" if test_mode else "learn from"
    with pytest.raises(UserError, match=f"nothing to {aim}: 12 boxes, all of them ignored in 6"):
        check_dataset(train_split(folder, test_mode=test_mode))
    if not test_mode:
        assert len(train_split(folder, difficult="keep")) == 6


def test_a_split_that_loses_every_box_is_refused(folder: Path) -> None:
    for path in (folder / "Annotations").glob("*.xml"):  # sides that are parts of 1
        path.write_text(re.sub(r"<(xmax|ymax)>\d+<", r"<\1>1.4<", path.read_text()))
    with pytest.raises(UserError, match=r"nothing to learn from: no box in 6 images: .*train\.txt"):
        check_dataset(train_split(folder))


def test_corners_in_parts_of_the_sides_are_refused(folder: Path) -> None:
    for path in (folder / "Annotations").glob("*.xml"):
        parts = re.sub(
            r"<([xy]m..)>(\d+)<", lambda m: f"<{m[1]}>{int(m[2]) / 999}<", path.read_text()
        )
        path.write_text(parts)
    with pytest.raises(UserError, match=r"12 boxes, all from 0 to 1: .*train\.txt: write pixels"):
        train_split(folder)


def test_boxes_that_mark_no_object_are_nothing_to_learn_from(folder: Path) -> None:
    for path in (folder / "Annotations").glob("*.xml"):
        path.write_text(re.sub(r"<([xy]m..)>\d+<", r"<\1>1<", path.read_text()))
    with pytest.raises(UserError, match="nothing to learn from"):
        check_dataset(train_split(folder))


def test_widths_in_place_of_corners_are_warned_of(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    train_split(folder)
    assert "boxes have swapped corners" not in warnings_of()
    for path in (folder / "Annotations").glob("*.xml"):
        path.write_text(re.sub(r"<(xmax|ymax)>\d+<", r"<\1>3<", path.read_text()))
    with pytest.raises(UserError, match="none of 6 images is left"):
        train_split(folder, filter_cfg=dict(filter_empty_gt=True))
    assert "12 of 12 boxes have swapped corners or reach out of their image: " in warnings_of()
    assert "COCO: a corner, width, height" in warnings_of()


def test_a_part_without_a_box_that_counts_may_be_joined_with_others(
    folder: Path, draw_voc: Draw
) -> None:
    other = draw_voc(folder.with_name("other"), train=2)
    for number in range(6):
        edit(folder, number, "<difficult>0", "<difficult>1")
    parts = [train_split(folder), train_split(other)]
    check_dataset(ConcatDataset(parts))
    with pytest.raises(UserError, match="nothing to learn from"):
        check_dataset(ConcatDataset(parts[:1]))


def test_a_wrong_size_in_the_annotation_is_replaced_and_warned_of(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    edit(folder, 0, "<width>96</width>", "<width>960</width>")
    assert train_split(folder).get_data_info(0)["width"] == 96
    assert "1 image of another size than annotated: 000000.png" in warnings_of()


def test_small_boxes_are_ignored_and_empty_images_left_out_of_training_only(
    folder: Path,
) -> None:
    _remove_objects(folder, 0)
    strict = dict(filter_empty_gt=True, bbox_min_size=23)
    training = train_split(folder, filter_cfg=strict)
    assert len(training) == 5
    boxes = [box for i in range(5) for box in training.get_data_info(i)["instances"]]
    sides = [min(x2 - x1, y2 - y1) for x1, y1, x2, y2 in (box["bbox"] for box in boxes)]
    assert [box["ignore_flag"] for box in boxes] == [side < 23 for side in sides]
    assert 0 < sum(side < 23 for side in sides) < len(sides)
    testing = train_split(folder, filter_cfg=strict, test_mode=True)
    assert len(testing) == 6
    assert not any(x["ignore_flag"] for x in testing.get_data_info(1)["instances"])


def test_difficult_objects_are_kept_where_asked_and_in_training_only(folder: Path) -> None:
    edit(folder, 1, "<difficult>0</difficult>", "<difficult>1</difficult>")

    def flags(**kwargs: Any) -> list[int]:
        instances = train_split(folder, **kwargs).get_data_info(1)["instances"]
        return [instance["ignore_flag"] for instance in instances]

    assert flags() == flags(difficult="ignore") == [1, 1]
    assert flags(difficult="keep") == [0, 0]
    assert flags(difficult="keep", test_mode=True) == [1, 1]
    # What is too small is ignored all the same.
    assert flags(difficult="keep", filter_cfg=dict(bbox_min_size=22)) == [0, 1]


def test_another_word_for_difficult_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"difficult is 'drop'.*say 'ignore' or 'keep'"):
        train_split(folder, difficult="drop")


def test_filters_that_leave_nothing_stop_the_run(folder: Path) -> None:
    with pytest.raises(UserError, match="none of 6 images is left"):
        train_split(folder, filter_cfg=dict(min_size=66))  # the images are 96 x 65


def test_a_folder_of_annotations_takes_the_place_of_a_list(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    (folder / "Annotations/000002.xml").unlink()
    listed = VocFormat(ann_file="Annotations", data_root=str(folder))
    names = [listed.get_data_info(number)["img_id"] for number in range(len(listed))]
    assert names == sorted(path.stem for path in (folder / "Annotations").iterdir())
    assert len(names) == 8
    assert "JPEGImages: 1 image without an annotation, not used, first 000002." in warnings_of()
    (folder / "JPEGImages/000001.jpg").unlink()
    with pytest.raises(UserError, match=r"first: 000001\): .*an image has its annotation's name"):
        VocFormat(ann_file="Annotations", data_root=str(folder))
    (folder / "none").mkdir()
    with pytest.raises(UserError, match=r"no annotations \(\.xml\): .*none"):
        VocFormat(ann_file="none", ann_subdir="none", data_root=str(folder))


def test_held_out_images_are_every_nth_and_in_no_other_split(folder: Path) -> None:
    def ids(**kwargs: Any) -> list[str]:
        split = train_split(folder, **kwargs)
        return [split.get_data_info(index)["img_id"] for index in range(len(split))]

    assert ids(hold_out=3, held_out=True) == ["000002", "000005"]
    assert ids(hold_out=3) == ["000000", "000001", "000003", "000004"]


def test_a_lazy_data_set_knows_its_classes(folder: Path) -> None:
    lazy = train_split(folder, lazy_init=True)
    assert lazy.metainfo["classes"] == ("brick", "leaf")
    assert not lazy.data_list
    lazy.full_init()
    assert len(lazy) == 6
