"""COCO files: what is read, and the messages when something is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmdet.datasets import CocoDataset

from bag_of_transfer.detection.datasets import CocoFormat
from bag_of_transfer.engine.data.data_sets import check_dataset
from bag_of_transfer.engine.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, draw_coco: Callable[..., Path]) -> Path:
    return draw_coco(tmp_path / "coco", train=4, val=2)


def split(folder: Path, name: str = "train", **kwargs: Any) -> CocoFormat:
    return CocoFormat(
        data_root=str(folder),
        ann_file=f"annotations/{name}.json",
        data_prefix=dict(img="images/"),
        serialize_data=False,  # it calls the garbage collector: slow in a large process
        **kwargs,
    )


def edit(folder: Path, change: Callable[[dict], Any], name: str = "train") -> None:
    path = folder / f"annotations/{name}.json"
    coco = json.loads(path.read_text())
    change(coco)
    path.write_text(json.dumps(coco))


def test_classes_are_the_categories_in_the_order_of_their_ids(folder: Path) -> None:
    assert split(folder).metainfo["classes"] == ("leaf", "brick")  # ids 7 and 9


def test_instances_equal_mmdets_reader(folder: Path) -> None:
    def crowd_and_mask(coco: dict) -> None:
        coco["annotations"][0]["iscrowd"] = 1
        coco["annotations"][1]["segmentation"] = [[1, 1, 9, 1, 9, 9]]
        coco["annotations"][2]["ignore"] = 1

    edit(folder, crowd_and_mask)
    # Classes in the order of the file, or mmdet's reader swaps them (see the next test).
    classes = dict(classes=("brick", "leaf"))
    theirs = CocoDataset(
        data_root=str(folder),
        ann_file="annotations/train.json",
        data_prefix=dict(img="images/"),
        metainfo=classes,
    )
    ours = split(folder, metainfo=classes)
    assert len(ours) == len(theirs) == 4
    for index in range(4):
        mine, other = ours.get_data_info(index), theirs.get_data_info(index)
        for key in ("img_id", "img_path", "width", "height", "instances"):
            assert mine[key] == other[key], key
    first = ours.get_data_info(0)["instances"]
    assert [x["ignore_flag"] for x in first] == [1, 0]
    assert "mask" in first[1]


@pytest.mark.parametrize("classes", [("brick", "leaf"), ("leaf", "brick")])
def test_labels_follow_the_stated_order_of_the_classes(
    folder: Path, classes: tuple[str, ...]
) -> None:
    instances = split(folder, metainfo=dict(classes=classes)).get_data_info(0)["instances"]
    assert [classes[x["bbox_label"]] for x in instances] == ["brick", "leaf"]


def test_a_test_split_tells_the_metric_where_its_annotations_are(folder: Path) -> None:
    tested = split(folder, "val", test_mode=True)
    assert tested.metainfo["ann_file"] == str(folder / "annotations/val.json")
    assert "ann_file" not in split(folder).metainfo  # ConcatDataset compares metainfos


def test_val_takes_the_classes_of_train(folder: Path) -> None:
    def rename(coco: dict) -> None:
        coco["categories"][0]["name"] = "briks"

    edit(folder, rename, "val")
    with pytest.raises(
        UserError, match=r"unknown class 'briks'.*val\.json.*did you mean 'brick'\?"
    ):
        split(folder, "val", classes_from="annotations/train.json")


def _set(part: str, index: int, key: str, value: Any) -> Callable[[dict], None]:
    return lambda coco: coco[part][index].update({key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda coco: coco.pop("categories"), r"'categories' is missing"),
        (lambda coco: coco["annotations"][3].pop("bbox"), r"annotations\[3\] lacks bbox:"),
        (lambda coco: coco["images"].clear(), r"the file lists no image"),
        (lambda coco: coco["categories"].clear(), r"the file lists no category"),
        (_set("images", 1, "id", 0), r"images\.id occur more than once \(1, first: 0\)"),
        (_set("categories", 1, "name", "brick"), r"categories\.name occur more than once"),
        (_set("images", 1, "file_name", "gone.png"), r"images are missing \(1, first: gone\.png\)"),
        (_set("annotations", 1, "image_id", 77), r"annotation 2 belongs to image 77"),
        (_set("annotations", 1, "category_id", 8), r"unknown category, 8: .*the ids are 7, 9"),
        (_set("annotations", 1, "bbox", [1, 2, 3]), r"annotation 2: bbox is not four numbers"),
    ],
)
def test_broken_files_are_refused(
    folder: Path, change: Callable[[dict], Any], message: str
) -> None:
    edit(folder, change)
    with pytest.raises(UserError, match=message):
        split(folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"no such annotation file: .*test\.json"):
        split(folder, "test")


def test_a_file_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "annotations/train.json").write_text("{")
    with pytest.raises(UserError, match="the file is not JSON"):
        split(folder)


def test_a_box_without_area_is_left_out_and_warned_of(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    edit(folder, _set("annotations", 0, "bbox", [5, 5, 0, 9]))
    assert len(split(folder).get_data_info(0)["instances"]) == 1
    assert "boxes without area in 1 image, left out: 0.png (1)" in warnings_of()


def test_an_empty_image_file_is_left_out_and_named(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    (folder / "images/2.png").write_bytes(b"")
    assert len(split(folder)) == 3
    assert "2.png" in warnings_of()


def test_categories_that_differ_in_case_only_are_refused(folder: Path) -> None:
    edit(folder, _set("categories", 0, "name", "Leaf"))
    with pytest.raises(UserError, match=r"'leaf' and 'Leaf' differ only in case.*train\.json: "):
        split(folder)
    both = split(folder, metainfo=dict(classes=("leaf", "Leaf")))  # the user's word for it
    assert both.metainfo["classes"] == ("leaf", "Leaf")


def test_a_file_of_crowds_only_is_refused(folder: Path) -> None:
    edit(folder, lambda coco: [note.update(iscrowd=1) for note in coco["annotations"]])
    with pytest.raises(UserError, match="nothing to learn from: 8 boxes, all of them ignored"):
        check_dataset(split(folder))


def test_a_file_without_annotations_is_nothing_to_judge_by(folder: Path) -> None:
    edit(folder, lambda coco: coco["annotations"].clear(), "val")
    with pytest.raises(UserError, match=r"nothing to judge by: no box in 2 images: .*val\.json"):
        split(folder, "val", test_mode=True)
