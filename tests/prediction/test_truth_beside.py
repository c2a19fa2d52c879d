"""Truth beside prediction: from a split, COCO's file, VOC's and YOLO's files, masks, folders."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.prediction.files import write_predictions
from bag_of_transfer.prediction.inputs import find_images
from bag_of_transfer.prediction.pairs import COLOURS, draw_pair
from bag_of_transfer.prediction.results import Boxes, Mask
from bag_of_transfer.prediction.truth import TrueBoxes, TrueClass, TrueMask
from bag_of_transfer.prediction.truth_files import find_truths, of_annotations
from bag_of_transfer.prediction.work import Choices, summary
from bag_of_transfer.segmentation.numbering import Numbering

CLASSES = ("cat", "dog")
SIZE = (80, 40)
XML = (
    "<annotation><object><name>{}</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>31</xmax>"
    "<ymax>21</ymax></bndbox></object></annotation>"
)


def coco(file_name: str, category: str = "dog") -> str:
    box = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 5, 20, 15], "iscrowd": 1}
    return json.dumps(
        {
            "images": [{"id": 7, "file_name": file_name}],
            "annotations": [box],
            "categories": [{"id": 3, "name": category}],
        }
    )


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def annotations(folder: Path, form: str) -> Path:
    """Write an annotation of in/deep/a.jpg and return what is given to the tool."""
    if form == "coco":
        return write(folder / "truth.json", coco("deep/a.jpg"))
    if form == "voc":
        write(folder / "Annotations/deep/a.xml", XML.format("dog"))
    else:
        write(folder / "Annotations/deep/a.txt", "1 0.25 0.3125 0.25 0.375\n")
        write(folder / "Annotations/classes.txt", "cat\ndog\n")
    return folder / "Annotations"


@pytest.mark.parametrize("form", ["coco", "voc", "yolo"])
def test_boxes_are_those_of_the_file_with_the_images_name(tmp_path: Path, form: str) -> None:
    truth_of = of_annotations(annotations(tmp_path, form), "boxes", CLASSES)
    truth = truth_of(tmp_path / "in/deep/a.jpg", SIZE)
    assert isinstance(truth, TrueBoxes)
    np.testing.assert_allclose(truth.boxes_xyxy, [[10, 5, 30, 20]])
    assert truth.names == ["dog"]
    assert truth.ignored == [form == "coco"]
    assert truth_of(tmp_path / "in/deep/b.jpg", SIZE) is None


def test_boxes_of_a_file_are_cleaned_as_those_of_a_split(tmp_path: Path) -> None:
    content = json.loads(coco("a.jpg"))
    (box,) = content["annotations"]
    sides = ([-5, 5, 20, 90], [10, 5, 0, 0], [30, 5, -20, 10], [10, 5, 20, 15])
    content["annotations"] = [box | {"id": i, "bbox": side} for i, side in enumerate(sides)]
    write(tmp_path / "coco.json", json.dumps(content))
    write(tmp_path / "yolo/a.txt", "1 0.0625 0.5 0.375 1.0\n1 0.25 0.3125 0.25 0.375\n")
    expected = {"coco.json": [0, 5, 15, 40], "yolo": [0, 0, 20, 40]}
    for place, clipped in expected.items():
        truth = of_annotations(tmp_path / place, "boxes", CLASSES)(tmp_path / "a.jpg", SIZE)
        assert isinstance(truth, TrueBoxes)
        np.testing.assert_allclose(truth.boxes_xyxy, [clipped, [10, 5, 30, 20]])


@pytest.mark.parametrize("split", ["test", "val", "train"])
def test_masks_are_numbered_as_the_configs_splits_say(tmp_path: Path, split: str) -> None:
    Image.fromarray(np.array([[0, 255, 255, 255]], np.uint8)).save(tmp_path / "a.png")
    described = {"type": "MaskFolder", "data_root": "x", "label_map": {0: 0, 255: 1}}
    config = {"test_dataloader": None, f"{split}_dataloader": {"dataset": described}}
    predictor: Any = SimpleNamespace(config=config, task="seg", classes=CLASSES)
    _, truth_of = find_truths(str(tmp_path), predictor)
    truth = truth_of(tmp_path / "a.jpg", (4, 1))
    assert isinstance(truth, TrueMask)
    assert truth.shares(CLASSES) == {"dog": 0.75, "cat": 0.25}


def test_of_two_annotations_with_one_name_the_one_in_like_folders_counts(tmp_path: Path) -> None:
    for place, name in (("x/a.xml", "cat"), ("y/a.xml", "dog")):
        write(tmp_path / "truth" / place, XML.format(name))
    truth_of = of_annotations(tmp_path / "truth", "boxes", CLASSES)
    assert [truth_of(tmp_path / p, SIZE).names for p in ("in/y/a.jpg", "in/x/a.png")] == [
        ["dog"],
        ["cat"],
    ]
    with pytest.raises(UserError, match="two annotations have the name of this image"):
        truth_of(tmp_path / "in/a.jpg", SIZE)


def test_masks_and_class_folders_are_truth_as_well(tmp_path: Path) -> None:
    mask = np.zeros((40, 80), np.uint8)
    mask[:10], mask[10:20] = 1, 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks/a.png")
    truth = of_annotations(tmp_path / "masks", "mask", CLASSES)(tmp_path / "in/a.jpg", SIZE)
    assert isinstance(truth, TrueMask)
    assert truth.shares(CLASSES) == {"cat": 0.5, "dog": 0.25}
    counted = Numbering("x", label_map={1: 0, 0: 1, 255: 255})
    truth = of_annotations(tmp_path / "masks", "mask", CLASSES, counted)(Path("a.jpg"), SIZE)
    assert isinstance(truth, TrueMask)
    assert truth.shares(CLASSES) == {"dog": 0.5, "cat": 0.25}
    truth_of = of_annotations(tmp_path, "classes", CLASSES)
    assert truth_of(tmp_path / "dog/deep/a.jpg", SIZE) == TrueClass("dog")
    assert truth_of(tmp_path / "horse/a.jpg", SIZE) is None
    assert truth_of(Path("/elsewhere/dog/a.jpg"), SIZE) is None


@pytest.mark.parametrize(
    ("kind", "name", "content", "message"),
    [
        ("boxes", "none", None, "no such split, file or folder: .*none: give test, val, or COCO"),
        ("boxes", "in/a.jpg", "", "these are no annotations for this task"),
        ("mask", "a.json", "{}", r"these are no annotations for this task: .*a folder of masks"),
        ("classes", "a.json", "{}", "these are no annotations for this task"),
        ("boxes", "a.json", "{}", "'images' is missing"),
    ],
)
def test_what_is_no_annotation_is_an_error(
    tmp_path: Path, kind, name: str, content: str | None, message: str
) -> None:
    place = tmp_path / name
    if content is not None:
        place = write(place, content)
        place = place if place.suffix == ".json" else place.parent
    with pytest.raises(UserError, match=message):
        of_annotations(place, kind, CLASSES)


def test_a_class_that_the_checkpoint_does_not_know_is_an_error(tmp_path: Path) -> None:
    truth_of = of_annotations(write(tmp_path / "a.json", coco("a.jpg", "dogs")), "boxes", CLASSES)
    with pytest.raises(UserError, match=r"unknown class 'dogs'.*such as 'dog'"):
        truth_of(tmp_path / "a.jpg", SIZE)


def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (400, 300), (120, 120, 120)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_pair_has_the_truth_on_the_left_and_a_legend_below(tmp_path: Path) -> None:
    box = np.array([[100.0, 100, 200, 200]])
    elsewhere = np.repeat([[300.0, 200, 390, 290]], 10, 0)
    arrays = (np.vstack([box, elsewhere]), np.zeros(11, int), np.full(11, 0.9))
    result = Boxes(photo(tmp_path), (400, 300), CLASSES, True, *arrays)
    pixels = {}
    for name in ("cat", "dog"):
        pair = draw_pair(result, TrueBoxes(box, [name], [False]), 0.3)
        top = next(y for y in range(99) if pair.getpixel((399, y)) == (120, 120, 120))
        assert pair.width == 804
        pixels[name] = pair.getpixel((100, top + 150)), pair.getpixel((504, top + 150))
        below = np.asarray(pair)[top + 300 :]
        for word in ("found", "missed", "wrong class", "extra"):
            assert (below == COLOURS[word]).all(-1).any()
    assert pixels["cat"] == (COLOURS["found"], COLOURS["found"])
    assert pixels["dog"] == (COLOURS["wrong class"], COLOURS["wrong class"])


def test_a_mask_of_another_size_than_its_image_is_an_error(tmp_path: Path) -> None:
    result = Mask(photo(tmp_path), (400, 300), CLASSES, True, np.zeros((300, 400), np.uint8))
    with pytest.raises(UserError, match="the mask is 300 x 400 pixels, its image 400 x 300"):
        draw_pair(result, TrueMask(np.zeros((400, 300), int)), 0.3)
    with pytest.raises(UserError, match="of another task"):
        draw_pair(result, TrueClass("cat"), 0.3)


def test_images_without_truth_are_counted_and_those_with_a_broken_one_left_out(
    predictors, photos: Path, tmp_path: Path
) -> None:
    write(tmp_path / "truth/wide.xml", XML.format("dots"))
    write(tmp_path / "truth/odd.xml", "<annotation><object/></annotation>")
    predictor = predictors["det"]
    truths = of_annotations(tmp_path / "truth", "boxes", predictor.classes)
    sources = find_images([photos / f"{n}.png" for n in ("wide", "odd", "tall")], tmp_path / "out")
    head = write_predictions(predictor, sources, tmp_path / "out", Choices(truths=truths))
    assert (head["num_images"], head["num_with_truth"], head["num_left_out"]) == (2, 1, 1)
    assert "odd.xml" in head["left_out"][0]["why"]
    assert "1 without truth" in summary(head, Path("out"))
    rows = json.loads((tmp_path / "out/predictions.json").read_text())["images"]
    assert [row.get("truth", {}).get("names") for row in rows] == [["dots"], None]
    widths = [Image.open(tmp_path / "out" / row["picture"]).width for row in rows]
    assert widths == [2 * 4 * 97 + 4, 4 * 65]
