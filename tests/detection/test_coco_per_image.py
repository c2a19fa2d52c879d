"""AP can be computed again from what CocoBoxMetric keeps of every image."""

from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bag_of_transfer.detection.coco_judge import judge_boxes
from bag_of_transfer.detection.coco_per_image import coco_arrays
from bag_of_transfer.detection.datasets import CocoFormat
from bag_of_transfer.detection.metrics import CocoBoxMetric
from bag_of_transfer.ladder.statistics.resampled_boxes import (
    HIT,
    MISS,
    NEITHER,
    BoxMatches,
    detection_metric,
)


def test_the_file_gives_the_metric_again(tmp_path: Path, draw_coco: Callable[..., Path]) -> None:
    root = draw_coco(tmp_path, val=6)
    split = CocoFormat(
        data_root=str(root),
        ann_file="annotations/val.json",
        data_prefix=dict(img="images/"),
        test_mode=True,
        serialize_data=False,  # it calls the garbage collector: slow in a large process
    )
    rng = torch.Generator().manual_seed(0)
    metric = CocoBoxMetric(per_image_file=str(tmp_path / "per_image.npz"))
    metric.dataset_meta = split.metainfo
    for i in range(len(split)):
        info = split.get_data_info(i)
        boxes = torch.tensor([note["bbox"] for note in info["instances"]]).reshape(-1, 4)
        labels = torch.tensor([note["bbox_label"] for note in info["instances"]]).long()
        shifted = boxes + 6 * torch.randn(boxes.shape, generator=rng)
        scores = torch.rand(len(boxes), generator=rng)
        predicted = dict(bboxes=shifted, labels=labels, scores=scores)
        true = dict(bboxes=boxes, labels=labels)
        none = dict(bboxes=boxes[:0], labels=labels[:0])
        sample = dict(img_id=info["img_id"], pred_instances=predicted)
        metric.process(None, [{**sample, "gt_instances": true, "ignored_instances": none}])
    metrics = metric.evaluate(len(split))
    assert 5 < metrics["AP"] < 95

    arrays = np.load(tmp_path / "per_image.npz")
    assert arrays["matched"].shape == arrays["ignored"].shape == (10, len(arrays["image"]))
    assert arrays["classes"].tolist() == list(split.metainfo["classes"])
    matches = [
        BoxMatches(
            *(arrays[name] for name in ("image", "score", "label")),
            np.select([out, hit], [NEITHER, HIT], MISS),
            arrays["num_gt"],
        )
        for hit, out in zip(arrays["matched"], arrays["ignored"], strict=True)
    ]
    for name in ("AP", "AP50", "AP75"):
        again = detection_metric(name, arrays["image_ids"].tolist(), matches)
        assert again.compute(np.ones((1, len(split)), int)) == pytest.approx([metrics[name]])


def drawn(rng: np.random.Generator, images: int) -> tuple[list[dict], list[dict]]:
    """Draw crowded images with crowds, equal scores and equal boxes; some lack objects or boxes."""
    true, found = [], []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 6) * (image % 5 > 0)):
            box = [float(side) for side in np.add(rng.integers(0, 40, 4), [0, 0, 8, 8])]
            note = dict(image_id=image, category_id=int(rng.integers(1, 4)), bbox=box)
            true.append(dict(note, area=box[2] * box[3], iscrowd=int(rng.random() < 0.2)))
            for _ in range(3 * (image % 7 > 0)):
                near = [float(side) for side in np.array(box) + rng.integers(-3, 4, 4)]
                found.append(dict(note, bbox=near, score=float(rng.integers(1, 6)) / 8))
    # More than the 100 that count.
    extra = [dict(image_id=1, category_id=1, bbox=[i, i, 9.0, 9.0], score=0.5) for i in range(120)]
    return [dict(note, id=i) for i, note in enumerate(true, start=1)], found + extra


def pycocotools_judge(true: list[dict], found: list[dict], images: list[int]) -> COCOeval:
    def load(notes: list[dict]) -> COCO:
        made = COCO()
        categories = [dict(id=k) for k in (1, 2, 3)]
        made.dataset = dict(images=[dict(id=i) for i in images], categories=categories)
        made.dataset["annotations"] = [dict(note) for note in notes]
        made.createIndex()
        return made

    with redirect_stdout(StringIO()):
        sized = [dict(n, area=n["bbox"][2] * n["bbox"][3], iscrowd=0) for n in found]
        seen = load([dict(note, id=i) for i, note in enumerate(sized, start=1)])
        judge = COCOeval(load(true), seen, "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


def test_every_match_is_that_of_pycocotools() -> None:
    images = list(range(1, 41))
    true, found = drawn(np.random.default_rng(0), 40)
    expected = pycocotools_judge(true, found, images)
    judge = judge_boxes(images, [1, 2, 3], true, found)
    assert judge.stats == pytest.approx(expected.stats, abs=1e-12)
    assert 0.05 < judge.stats[0] < 0.95
    assert judge.eval["precision"] == pytest.approx(expected.eval["precision"], abs=1e-12)

    arrays = coco_arrays(judge, ("a", "b", "c"), images)
    seen = 0
    for image, label in np.ndindex(40, 3):
        entry = expected.evalImgs[label * 4 * 40 + image]  # classes, sizes, images
        here = (arrays["image"] == image) & (arrays["label"] == label)
        if entry is None:
            assert not here.any()
            assert arrays["num_gt"][image, label] == 0
            continue
        assert arrays["num_gt"][image, label] == np.sum(np.array(entry["gtIgnore"]) == 0)
        assert arrays["score"][here].tolist() == entry["dtScores"]
        ignored = entry["dtIgnore"].astype(bool)
        assert (arrays["ignored"][:, here] == ignored).all()
        assert (arrays["matched"][:, here] == (entry["dtMatches"] > 0) & ~ignored).all()
        seen += len(entry["dtScores"])
    assert seen == len(arrays["score"]) > 200
    assert arrays["ignored"].any()


def test_images_without_any_detection_give_empty_arrays() -> None:
    true, _ = drawn(np.random.default_rng(0), 3)
    arrays = coco_arrays(judge_boxes([1, 2, 3], [1, 2, 3], true, []), ("a", "b", "c"), [1, 2, 3])
    assert arrays["matched"].shape == arrays["ignored"].shape == (10, 0)
    assert arrays["num_gt"].sum() == sum(not note["iscrowd"] for note in true) > 0
