"""YOLO folders: the same targets as in VOC's and COCO's format, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from bag_of_transfer.detection.box_dataset import BoxDataset
from bag_of_transfer.detection.datasets import CocoFormat, VocFormat, YoloFormat
from bag_of_transfer.detection.metrics import VocMetric
from bag_of_transfer.engine.data.data_sets import test_split as split_to_check
from bag_of_transfer.engine.errors import UserError

YAML = "path: .\ntrain: images/train\nval: images/val\nnames: [brick, leaf]\n"
# Labels have six decimals: half a unit of the last, twice, on 96 pixels.
ROUNDING_PX = 1e-6 * 96


def write_coco(root: Path, infos: list[dict[str, Any]]) -> None:
    images, notes = [], []
    for number, info in enumerate(infos):
        images.append(dict(id=number, file_name=Path(info["img_path"]).name))
        for one in info["instances"]:
            x1, y1, x2, y2 = one["bbox"]
            box = dict(
                image_id=number, category_id=one["bbox_label"], bbox=[x1, y1, x2 - x1, y2 - y1]
            )
            notes.append(dict(box, id=len(notes)))
    categories = [dict(id=label, name=name) for label, name in enumerate(("brick", "leaf"))]
    content = dict(images=images, annotations=notes, categories=categories)
    (root / "train.json").write_text(json.dumps(content))


def lines_of(info: dict[str, Any]) -> str:
    width, height = info["width"], info["height"]
    lines = []
    for one in info["instances"]:
        x1, y1, x2, y2 = one["bbox"]
        parts = (
            (x1 + x2) / 2 / width,
            (y1 + y2) / 2 / height,
            (x2 - x1) / width,
            (y2 - y1) / height,
        )
        lines.append(" ".join([str(one["bbox_label"]), *(f"{part:.6f}" for part in parts)]))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def voc(draw_voc: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> VocFormat:
    """Return a training split of four images and its folder, from which the others are written."""
    root = draw_voc(tmp_path_factory.mktemp("same"), train=4)
    dataset = VocFormat(
        data_root=str(root), ann_file="ImageSets/Main/train.txt", serialize_data=False
    )
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    write_coco(root, infos)
    for info in infos:
        path = Path(info["img_path"])
        for split in ("train", "val"):
            image = root / f"images/{split}/{path.name}"
            label = root / f"labels/{split}/{path.stem}.txt"
            for folder in (image.parent, label.parent):
                folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, image)
            label.write_text(lines_of(info))
    (root / "data.yaml").write_text(YAML)
    return dataset


@pytest.fixture
def folder(voc: VocFormat, tmp_path: Path) -> Path:
    return shutil.copytree(
        voc.data_root,
        tmp_path / "yolo",
        ignore=shutil.ignore_patterns("Annotations", "ImageSets", "JPEGImages", "*.json"),
    )


def yolo(root: object, **kwargs: Any) -> YoloFormat:
    return YoloFormat(data_root=str(root), serialize_data=False, **kwargs)


def judged(dataset: BoxDataset) -> dict[str, float]:
    """Judge detections that are drawn around the same places for every format."""
    metric = VocMetric()
    metric.dataset_meta = dataset.metainfo
    draws = np.random.default_rng(0)
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        true = np.array([one["bbox"] for one in info["instances"]], np.float32)
        labels = torch.tensor([one["bbox_label"] for one in info["instances"]])
        found = np.rint(true) + draws.integers(-6, 7, true.shape).astype(np.float32)
        sample = dict(
            img_id=info["img_id"],
            pred_instances=dict(
                bboxes=torch.from_numpy(found),
                scores=torch.from_numpy(draws.random(len(found), np.float32)),
                labels=labels,
            ),
            gt_instances=dict(bboxes=torch.from_numpy(true), labels=labels),
            ignored_instances=dict(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long()),
        )
        metric.process({}, [sample])
    return metric.evaluate(len(dataset))


def test_the_same_boxes_in_three_formats_give_the_same_targets_and_map(voc: VocFormat) -> None:
    coco = CocoFormat(
        data_root=voc.data_root,
        ann_file="train.json",
        data_prefix=dict(img="JPEGImages/"),
        serialize_data=False,
    )
    ours = yolo(voc.data_root)
    assert ours.metainfo["classes"] == coco.metainfo["classes"] == voc.metainfo["classes"]
    assert len(ours) == len(coco) == len(voc) == 4
    for index in range(4):
        mine, first, second = (each.get_data_info(index) for each in (ours, voc, coco))
        assert mine["img_id"] == first["img_id"]
        assert (mine["width"], mine["height"]) == (first["width"], first["height"]) == (96, 65)
        assert second["instances"] == first["instances"]
        for one, other in zip(mine["instances"], first["instances"], strict=True):
            assert one["bbox"] == pytest.approx(other["bbox"], abs=ROUNDING_PX)
            assert {**one, "bbox": 0} == {**other, "bbox": 0}
    figures = [judged(dataset) for dataset in (voc, coco, ours)]
    assert 0 < figures[0]["mAP_area"] < 100
    assert figures[0] == figures[1] == figures[2]


def test_roboflows_layout_is_read_as_it_is(folder: Path, warnings_of: Callable[[], str]) -> None:
    for split, theirs in (("train", "train"), ("val", "valid")):
        (folder / theirs).mkdir()
        for kind in ("images", "labels"):
            (folder / kind / split).rename(folder / theirs / kind)
    stated = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\n"
    (folder / "data.yaml").write_text(stated + "names: ['brick', 'leaf']\nroboflow: {a: 1}\n")
    for split in ("train", "val"):
        assert [
            len(one["instances"]) for one in map(yolo(folder, split=split).get_data_info, range(4))
        ] == [2] * 4
    assert not warnings_of()
    with pytest.raises(UserError, match=r"no such folder of images.*of test: .*/test/images"):
        yolo(folder, split="test")


@pytest.mark.parametrize("stated", [r"images\train", r"..\images\train"])
def test_backslashes_of_windows_are_read(folder: Path, stated: str) -> None:
    (folder / "data.yaml").write_text(f"train: {stated}\nnames: ['brick', 'leaf']\n")
    assert len(yolo(folder)) == 4


@pytest.mark.parametrize("stated", ["/content/ds/images/train", r"C:\Users\bob\images\train"])
def test_a_folder_of_another_machine_is_looked_for_here(folder: Path, stated: str) -> None:
    (folder / "data.yaml").write_text(f"train: {stated}\nnames: ['brick', 'leaf']\n")
    with pytest.raises(UserError, match=r"of train: .*write train: images/train into data\.yaml"):
        yolo(folder)


def test_lists_and_several_folders_make_a_split(folder: Path) -> None:
    (folder / "lists").mkdir()
    names = sorted(path.name for path in (folder / "images/train").iterdir())
    (folder / "lists/a.txt").write_text(f"../images/train/{names[2]}\n./images/train/{names[0]}\n")
    (folder / "data.yaml").write_text(
        "train: [lists/a.txt, images/val]\nnames: {0: brick, 1: leaf}\n"
    )
    dataset = yolo(folder)
    ids = [dataset.get_data_info(index)["img_id"] for index in range(len(dataset))]
    assert ids == ["train/000002", "train/000000", *(f"val/{number:06d}" for number in range(4))]
    assert all(len(dataset.get_data_info(index)["instances"]) == 2 for index in range(6))


def test_images_without_labels_have_no_object_and_are_counted(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    (folder / "labels/train/000001.txt").unlink()
    (folder / "labels/train/000002.txt").write_text("\n")
    (folder / "labels/train/odd.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (folder / "labels/train/classes.txt").write_text("brick\nleaf\n")
    dataset = yolo(folder, test_mode=True)
    counts = [len(dataset.get_data_info(index)["instances"]) for index in range(4)]
    assert counts == [2, 0, 0, 2]
    told = warnings_of()
    assert (
        "images/train: 1 of 4 images have no label file, so no object (first: 000001.jpg)" in told
    )
    assert "images/train: 2 of 4 images have no box" in told
    assert "labels/train: 1 label file without an image, first odd.txt" in told


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("1 0.5 0.5 0.25 0.2", (36, 26, 60, 39)),
        ("1.0 5e-1 .5 0.25 0.2", (36, 26, 60, 39)),
        ("1 0.25 0.2 0.5 0.2 0.5 0.6 0.25 0.6", (24, 13, 48, 39)),  # a polygon
        ("1 1.000009 0.5 0.5 0.2", (72, 26, 96, 39)),  # rounding; and it reaches out of the image
        ("1 0.1 -0.000009 0.1 0.4", (4.8, 0, 14.4, 13)),
    ],
)
def test_a_line_is_a_box_in_pixels(folder: Path, line: str, box: tuple[float, ...]) -> None:
    (folder / "labels/train/000000.txt").write_bytes(b"\xef\xbb\xbf" + line.encode() + b"\r\n\r\n")
    instances = yolo(folder).get_data_info(0)["instances"]
    assert [one["bbox_label"] for one in instances] == [1]
    assert instances[0]["bbox"] == pytest.approx(box, abs=1e-9)


def test_polygons_and_boxes_without_area_are_counted(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    lines = "0 0.1 0.1 0.1 0.6 0.6 0.6\n\n0 0.5 0.5 0 0.2\n0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n"
    (folder / "labels/train/000000.txt").write_text(lines)
    assert len(yolo(folder).get_data_info(0)["instances"]) == 3  # a line twice is a box twice
    assert "1 polygon: the box around each is taken" in warnings_of()
    assert "boxes without area in 1 image, left out: 000000.txt:3" in warnings_of()


# A box of 0.2 x 0.3 with two points: visible, and not labelled.
TWO_POINTS = "0 0.3 0.3 0.2 0.3 0.25 0.2 1 0 0 0\n"


def test_keypoints_without_kpt_shape_are_no_polygons(folder: Path) -> None:
    for path in (folder / "labels/train").iterdir():
        path.write_text(TWO_POINTS)
    with pytest.raises(UserError, match=r"look like a box with keypoints.*export boxes"):
        yolo(folder)


def test_a_polygon_at_the_border_among_others_is_no_keypoints(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    polygon = "0 0.1 0.1 0.1 0.6 0.6 0.6\n"
    (folder / "labels/train/000000.txt").write_text(TWO_POINTS + polygon)
    assert len(yolo(folder).get_data_info(0)["instances"]) == 2
    assert "2 polygons: the box around each is taken" in warnings_of()


def test_a_rectangle_from_the_corner_is_no_box_with_keypoints(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    rectangle = "0 0 0 0.4 0 0.4 0.3 0 0.3 0 0\n"
    (folder / "labels/train/000000.txt").write_text(rectangle)
    assert len(yolo(folder).get_data_info(0)["instances"]) == 1
    assert "1 polygon: the box around each is taken" in warnings_of()


LABELS: list[tuple[bytes, str]] = [
    (b"0 0.3 0.3 0.2 0.3 0.25 0.2 2 0.3 0.4 1", "11 numbers of a box with keypoints"),
    (b"0 0.3 0.3 0.2 0.3 0.25 0.2 1", "8 numbers of a box with keypoints.*export boxes"),
    (b"0 0.5 0.5 0.1", r"4 numbers, neither a box \(5\) nor"),
    (b"0 0.5 0.5 0.1 0.1 0.9", "6 numbers.*a score is no part"),
    (b"0", "1 numbers"),
    (b"0 0.5 0.5 0.1 1.0001", "1.0001 is not from 0 to 1.*divide x"),
    (b"0 0.5 0.5 -0.1 0.1", "-0.1 is not from 0 to 1"),
    (b"0 0.5 nan 0.1 0.1", "nan is not from 0 to 1"),
    (b"0 0.5 inf 0.1 0.1", "inf is not from 0 to 1"),
    (b"0 48 30 20 20", "48 is not from 0 to 1"),
    (b"0 0.5 0_5 0.1 0.1", "not a number"),
    (b"brick 0.5 0.5 0.1 0.1", "not a number"),
    (b"0,0.5,0.5,0.1,0.1", "not a number"),
    (b"2 0.5 0.5 0.1 0.1", "class 2, but there are 2 names.*from 0 to 1"),
    (b"-1 0.5 0.5 0.1 0.1", "class -1"),
    (b"0.5 0.5 0.5 0.1 0.1", "class 0.5"),
    (b"nan 0.5 0.5 0.1 0.1", "class nan"),
]


@pytest.mark.parametrize(("line", "message"), LABELS)
def test_a_bad_line_is_named(folder: Path, line: bytes, message: str) -> None:
    (folder / "labels/train/000002.txt").write_bytes(b"0 0.5 0.5 0.1 0.1\n" + line + b"\n")
    with pytest.raises(UserError, match=message) as caught:
        yolo(folder)
    assert str(caught.value.where) == f"{folder}/labels/train/000002.txt:2"


def test_labels_that_are_not_utf8_are_refused(folder: Path) -> None:
    (folder / "labels/train/000002.txt").write_bytes(b"\xff\xfe0")
    with pytest.raises(UserError, match=r"not UTF-8 text: .*000002\.txt"):
        yolo(folder)


YAMLS: list[tuple[str | bytes, str]] = [
    ("", "the file is empty"),
    ("- a\n", "holds no keys and values"),
    ("names: [brick\n", "not YAML"),
    ("names: !!python/object/apply:os.system ['true']\n", "not YAML"),
    (b"names: [\xff]\n", "not UTF-8"),
    ("[\n" * 2000, "not YAML"),
    ("#" * 1_000_001, "more than 1000000"),
    ("train: images/train\n", "no class names"),
    ("names: []\n", "no class names"),
    ("names: brick\n", "no class names"),
    ("names: [brick, leaf, brick]\n", r"names occur more than once \(1, first: brick\)"),
    ("names: [brick, Brick]\n", "'brick' and 'Brick' differ only"),
    ("names: {0: brick, 2: leaf}\n", r"without gaps: \[0, 2\]"),
    ("names: {a: brick, b: leaf}\n", "without gaps"),
    ("names: {0: brick, 0: leaf}\n", r"keys of names occur more than once"),
    ("names: [a, b]\nnames: [c]\n", "keys occur more than once"),
    ("names: [yes, no]\n", "name 0 is True, not a text.*in quotes"),
    ("names: [a, 7]\n", "name 1 is 7, not a text"),
    ("names: [a, b]\nnc: 3\n", "nc is 3, but there are 2 names"),
    ("names: [a, b]\ntrain: 5\n", "train is 5, not a path"),
    ("names: [a, b]\ntrain: {a: b}\n", "not a path"),
    ("names: [a, b]\nkpt_shape: [17, 3]\n", "keypoints"),
    ("names: [a, b]\ntrain: nowhere\n", "no such folder of images"),
    ("names: [a, b]\ntrain: data.yaml\n", "no such folder of images"),
    ("names: [a, b]\ntrain: labels/train\n", "no images"),
]


@pytest.mark.parametrize(("text", "message"), YAMLS)
def test_a_bad_yaml_is_refused_by_name(folder: Path, text: str | bytes, message: str) -> None:
    content = text if isinstance(text, bytes) else text.encode()
    (folder / "data.yaml").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        yolo(folder)
    assert str(folder) in str(caught.value.where)


def test_files_that_do_not_fit_together_are_refused(folder: Path) -> None:
    (folder / "data.yaml").rename(folder / "coco8.yaml")
    with pytest.raises(
        UserError, match=r"no such file: .*there is coco8.yaml: ann_file='coco8.yaml'"
    ):
        yolo(folder)
    assert len(yolo(folder, ann_file="coco8.yaml")) == 4
    (folder / "images/train/000000.bmp").write_bytes(
        (folder / "images/train/000000.png").read_bytes()
    )
    with pytest.raises(UserError, match=r"two images share one label file: .*000000\.bmp"):
        yolo(folder, ann_file="coco8.yaml")
    (folder / "labels").rename(folder / "label")
    with pytest.raises(
        UserError, match=r"none of 4 images has a label file.*labels/val/000000\.txt"
    ):
        yolo(folder, ann_file="coco8.yaml", split="val")
    with pytest.raises(UserError, match="split is 'valid'"):
        yolo(folder, split="valid")


def test_a_path_of_another_machine_falls_back_to_the_yamls_folder(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    (folder / "data.yaml").write_text(YAML.replace("path: .", "path: /content/datasets/x"))
    assert len(yolo(folder)) == 4
    assert "path leads to no folder here ('/content/datasets/x')" in warnings_of()


def test_a_missing_test_split_is_told_and_a_present_one_checked(folder: Path) -> None:
    told: list[str] = []
    logger = MMLogger.get_current_instance()
    described = dict(type="YoloFormat", data_root=str(folder), split="test")
    cfg = dict(test_dataloader=dict(dataset=described), test_evaluator=dict(type="VocMetric"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger, "handle", lambda record: told.append(record.getMessage()))
        assert split_to_check(cfg) is None
    assert told[-1:] == [f"the test split is missing, so it is not checked: {folder}/images/test"]
    described["split"] = "val"
    assert split_to_check(cfg) == described
