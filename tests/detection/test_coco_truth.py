"""Evaluation uses the same boxes as training, whatever the file's ids and empty fields."""

import json
import uuid
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bag_of_transfer.detection.datasets import CocoFormat
from bag_of_transfer.detection.metrics import CocoBoxMetric
from bag_of_transfer.engine.errors import UserError

NAMES = ("brick", "leaf", "pond", "roof", "tree")
SIX = ("AP", "AP50", "AP75", "APs", "APm", "APl")
WIDTH, HEIGHT, NUM_IMAGES = 320, 240, 8


def random_coco(seed: int = 0) -> dict[str, list[dict]]:
    """Return boxes of COCO's three sizes with stated areas, some of them crowds."""
    rng = np.random.default_rng(seed)
    images = [
        dict(id=10 + i, file_name=f"{i}.png", width=WIDTH, height=HEIGHT) for i in range(NUM_IMAGES)
    ]
    notes = []
    for image in images:
        for _ in range(8):
            width, height = (int(side) for side in rng.integers(8, 160, 2))
            x, y = int(rng.integers(0, WIDTH - width)), int(rng.integers(0, HEIGHT - height))
            notes.append(
                dict(
                    id=len(notes) + 1,
                    image_id=image["id"],
                    category_id=int(rng.integers(1, len(NAMES) + 1)),
                    bbox=[x, y, width, height],
                    area=float(width * height * rng.uniform(0.4, 1)),
                    iscrowd=int(rng.random() < 0.15),
                )
            )
    categories = [dict(id=i, name=name) for i, name in enumerate(NAMES, start=1)]
    return dict(images=images, annotations=notes, categories=categories)


def random_found(coco: dict[str, list[dict]]) -> list[dict[str, Any]]:
    """Return detections near the boxes and elsewhere; scores are tenths, so many are equal."""
    rng = np.random.default_rng(7)
    predicted = []
    for note in coco["annotations"]:
        moved = np.array(note["bbox"]) + rng.normal(0, 5, 4)
        label = note["category_id"] if rng.random() < 0.8 else int(rng.integers(1, 6))
        predicted.append((note["image_id"], label, moved.clip(1)))
    for image in coco["images"]:
        for _ in range(4):
            anywhere = rng.uniform(1, 150, 4)
            predicted.append((image["id"], int(rng.integers(1, 6)), anywhere))
    return [
        dict(
            image_id=image,
            category_id=label,
            # What 32 bits hold, for a detector gives no more.
            bbox=[float(side) for side in np.round(box * 4) / 4],
            score=float(np.float32(rng.integers(1, 10) / 10)),
        )
        for image, label, box in predicted
    ]


def oracle(coco: dict[str, list[dict]], predicted: list[dict[str, Any]]) -> dict[str, float]:
    """Run pycocotools on the file itself, without our code."""
    with redirect_stdout(StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(coco))
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(json.loads(json.dumps(predicted))), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return dict(
        zip(SIX, [100 * value if value >= 0 else -1 for value in judge.stats], strict=False)
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("truth")
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    for i in range(NUM_IMAGES):
        picture.save(folder / f"{i}.png")
    return folder


def judge(
    root: Path,
    coco: dict[str, list[dict]],
    predicted: list[dict[str, Any]],
    new_ids: Callable[[Any], Any] = lambda image_id: image_id,
    **metric: Any,
) -> dict[str, float]:
    """Run our reader and metric on ``coco``; detections have the ids of the sound file."""
    (root / "val.json").write_text(json.dumps(coco))
    split = CocoFormat(
        data_root=str(root), ann_file="val.json", test_mode=True, serialize_data=False
    )
    ours = CocoBoxMetric(**metric)
    ours.dataset_meta = split.metainfo
    return _process(ours, split, predicted, new_ids)


def _process(
    metric: CocoBoxMetric,
    split: CocoFormat,
    predicted: list[dict[str, Any]],
    new_ids: Callable[[Any], Any] = lambda image_id: image_id,
) -> dict[str, float]:
    for info in (split.get_data_info(index) for index in range(len(split))):
        rows_of_image = [row for row in predicted if new_ids(row["image_id"]) == info["img_id"]]
        xywh = torch.tensor([row["bbox"] for row in rows_of_image]).reshape(-1, 4)
        boxes = torch.cat([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1)
        labels = torch.tensor([row["category_id"] - 1 for row in rows_of_image]).long()
        pred = dict(
            bboxes=boxes, scores=torch.tensor([r["score"] for r in rows_of_image]), labels=labels
        )
        none = dict(bboxes=boxes[:0], labels=labels[:0])
        sample = dict(img_id=info["img_id"], pred_instances=pred, gt_instances=none)
        metric.process(None, [{**sample, "ignored_instances": none}])
    return metric.evaluate(len(split))


@pytest.mark.parametrize("seed", range(3))
def test_ap_equals_pycocotools(root: Path, seed: int) -> None:
    coco = random_coco(seed)
    predicted = random_found(coco)
    expected = oracle(coco, predicted)
    assert 5 < expected["AP"] < 95
    assert min(expected.values()) > 0  # all three sizes are there
    assert judge(root, coco, predicted) == pytest.approx(expected, abs=1e-6)


def _from_zero(notes: list[dict]) -> None:
    for place, note in enumerate(notes):
        note["id"] = place


def _all_alike(notes: list[dict]) -> None:
    for note in notes:
        note["id"] = 5


def _uuids(notes: list[dict]) -> None:
    for place, note in enumerate(notes):
        note["id"] = str(uuid.UUID(int=place))


def _none(notes: list[dict]) -> None:
    for note in notes:
        del note["id"]


def _odd(notes: list[dict]) -> None:
    for place, note in enumerate(notes):
        note["id"] = (None, -1, 2.5, [1], {"a": 1}, True)[place % 6]


def _true_and_false(notes: list[dict]) -> None:
    for note in notes:
        note["iscrowd"] = bool(note["iscrowd"])


def _null_for_no_crowd(notes: list[dict]) -> None:
    for note in notes:
        note["iscrowd"] = note["iscrowd"] or None
        note["ignore"] = None


@pytest.mark.parametrize(
    "change",
    [_from_zero, _all_alike, _uuids, _none, _odd, _true_and_false, _null_for_no_crowd],
    ids=lambda change: change.__name__.strip("_"),
)
def test_ids_of_annotations_and_the_form_of_flags_mean_nothing(
    root: Path, change: Callable[[list[dict]], None]
) -> None:
    coco = random_coco()
    predicted = random_found(coco)
    expected = oracle(coco, predicted)
    change(coco["annotations"])
    assert judge(root, coco, predicted) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("area", [None, 0])
def test_a_missing_area_is_the_boxs(root: Path, area: int | None) -> None:
    coco = random_coco()
    predicted = random_found(coco)
    for note in coco["annotations"]:
        note["area"] = note["bbox"][2] * note["bbox"][3]
    expected = oracle(coco, predicted)
    for note in coco["annotations"]:
        note["area"] = area
    assert judge(root, coco, predicted) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("image_id", "category_id"),
    [
        (lambda number: f"frame_{number:03d}", str),
        (lambda number: str(uuid.UUID(int=number)), lambda number: f"{number}-id"),
        (lambda number: 10**30 + number, lambda number: -number * 100),
        (lambda number: float(number), lambda number: float(number)),
    ],
    ids=["names", "uuids", "huge and negative", "floats"],
)
def test_images_and_categories_have_ids_of_any_kind(
    root: Path, tmp_path: Path, image_id: Callable, category_id: Callable
) -> None:
    coco = random_coco()
    predicted = random_found(coco)
    expected = oracle(coco, predicted)
    for image in coco["images"]:
        image["id"] = image_id(image["id"])
    for note in coco["annotations"]:
        note["image_id"] = image_id(note["image_id"])
        note["category_id"] = category_id(note["category_id"])
    for category in coco["categories"]:
        category["id"] = category_id(category["id"])
    out = tmp_path / "found.json"
    # Negative ids stand in another order than the sound ones, and so do the labels.
    relabel = {name: label for label, name in enumerate(_names_by_id(coco), start=1)}
    asked = [dict(row, category_id=relabel[NAMES[row["category_id"] - 1]]) for row in predicted]
    result = judge(root, coco, asked, image_id, results_file=str(out))
    assert result == pytest.approx(expected, abs=1e-6)
    rows = json.loads(out.read_text())
    assert {row["image_id"] for row in rows} == {image["id"] for image in coco["images"]}
    assert {row["category_id"] for row in rows} == {one["id"] for one in coco["categories"]}


def _names_by_id(coco: dict[str, list[dict]]) -> list[str]:
    return [one["name"] for one in sorted(coco["categories"], key=lambda one: one["id"])]


def test_boxes_are_clipped_and_left_out_of_the_score_as_of_training(root: Path) -> None:
    coco = random_coco()
    predicted = random_found(coco)
    notes = coco["annotations"]
    notes[0]["bbox"] = [300, 200, 100, 100]  # 20 x 40 of it lie inside
    notes[0].update(area=9999.0, iscrowd=0)
    notes[1].update(bbox=[50, 50, -20, 20], iscrowd=0)
    notes[2].update(bbox=[0.1, 0.1, 0.3, 0.4], iscrowd=0)
    notes[3].update(ignore=1)
    cleaned = json.loads(json.dumps(coco))
    cleaned["annotations"][0].update(bbox=[300, 200, 20, 40], area=800.0)
    del cleaned["annotations"][1:4]
    expected = oracle(cleaned, predicted)
    assert judge(root, coco, predicted) == pytest.approx(expected, abs=1e-6)
    assert expected != pytest.approx(oracle(coco, predicted), abs=1e-2)  # the boxes do count


def test_an_unreadable_image_is_not_judged(root: Path) -> None:
    coco = random_coco()
    predicted = [row for row in random_found(coco) if row["image_id"] != 13]
    (root / "3.png").rename(root / "away.png")
    (root / "3.png").write_bytes(b"")
    try:
        result = judge(root, coco, predicted)
    finally:
        (root / "away.png").replace(root / "3.png")
    for part, key in (("images", "id"), ("annotations", "image_id")):
        coco[part] = [entry for entry in coco[part] if entry[key] != 13]
    assert result == pytest.approx(oracle(coco, predicted), abs=1e-6)


def test_a_val_file_may_list_fewer_categories(root: Path, tmp_path: Path) -> None:
    (root / "train.json").write_text(json.dumps(random_coco()))
    coco = random_coco()
    predicted = random_found(coco)
    gone = {2, 4}
    coco["annotations"] = [x for x in coco["annotations"] if x["category_id"] not in gone]
    expected = oracle(coco, predicted)
    coco["categories"] = [x for x in coco["categories"] if x["id"] not in gone]
    (root / "val.json").write_text(json.dumps(coco))
    split = CocoFormat(
        data_root=str(root),
        ann_file="val.json",
        classes_from="train.json",
        test_mode=True,
        serialize_data=False,
    )
    assert split.metainfo["classes"] == NAMES
    metric = CocoBoxMetric(results_file=str(tmp_path / "found.json"))
    metric.dataset_meta = split.metainfo
    assert _process(metric, split, predicted) == pytest.approx(expected, abs=1e-6)
    assert set(metric.per_class) == {"brick", "pond", "tree"}
    # A class that the file does not list gets a number that it does not use.
    assert metric.category_ids() == [1, 6, 3, 7, 5]


def test_a_stated_file_is_read_in_the_same_way(root: Path) -> None:
    coco = random_coco()
    predicted = random_found(coco)
    expected = oracle(coco, predicted)
    _from_zero(coco["annotations"])
    (root / "stated.json").write_text(json.dumps(coco))
    assert judge(
        root, random_coco(1), predicted, ann_file=str(root / "stated.json")
    ) == pytest.approx(expected, abs=1e-6)


def test_an_image_that_the_stated_file_does_not_list_is_refused(root: Path) -> None:
    coco = random_coco()
    stated = dict(coco, images=coco["images"][1:])
    stated["annotations"] = [x for x in coco["annotations"] if x["image_id"] != 10]
    (root / "stated.json").write_text(json.dumps(stated))
    with pytest.raises(UserError, match=r"image 10 is judged, but is not listed: .*stated\.json"):
        judge(root, coco, [], ann_file=str(root / "stated.json"))
