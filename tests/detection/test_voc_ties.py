"""VOC's average precision where scores are tied: equal to the development kit's algorithm.

The oracle is written after the description of VOCevaldet.m: sort all detections of a class by
falling confidence (MATLAB's sort is stable), give each to the object that it overlaps most: a hit
if the overlap is 0.5 or more and the object not yet found, neither if the object is difficult.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.evaluation.functional.mean_ap import tpfp_default

from bag_of_transfer.detection.metrics import VocMetric
from bag_of_transfer.detection.per_image import Detections, per_image_arrays
from bag_of_transfer.ladder.statistics.resampled_boxes import (
    HIT,
    MISS,
    NEITHER,
    BoxMatches,
    detection_metric,
)

NUM_CLASSES, NUM_IMAGES = 3, 12


def overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Return intersection over union of boxes whose last pixel belongs to them."""
    width = min(box[2], other[2]) - max(box[0], other[0]) + 1
    height = min(box[3], other[3]) - max(box[1], other[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(x2 - x1 + 1) * (y2 - y1 + 1) for x1, y1, x2, y2 in (box, other)]
    return width * height / (sum(areas) - width * height)


def devkit(images: list[Detections], label: int) -> tuple[float, float]:
    """Return AP by 11 points and by area, in percent."""
    rows = [
        (score, number, box)
        for number, image in enumerate(images)
        for box, score, each in zip(image.boxes_xyxy, image.scores, image.labels, strict=True)
        if each == label
    ]
    rows.sort(key=lambda row: -row[0])  # Python's sort is stable
    objects = []
    for image in images:
        own = [(box, False) for box in image.true_boxes[image.true_labels == label]]
        own += [(box, True) for box in image.ignored_boxes[image.ignored_labels == label]]
        objects.append(own)
    matched: set[tuple[int, int]] = set()
    hits, misses = [], []
    for _, number, box in rows:
        overlaps = [overlap(box, other) for other, _ in objects[number]]
        best = int(np.argmax(overlaps)) if overlaps else -1
        hit = miss = 0
        if overlaps and overlaps[best] >= 0.5:
            if not objects[number][best][1]:
                hit = int((number, best) not in matched)
                miss = 1 - hit
                matched.add((number, best))
        else:
            miss = 1
        hits.append(hit)
        misses.append(miss)
    num_objects = sum(not difficult for own in objects for _, difficult in own)
    return _ap(np.cumsum(hits), np.cumsum(misses), num_objects)


def _ap(hit: np.ndarray, miss: np.ndarray, num_objects: int) -> tuple[float, float]:
    recall, precision = hit / num_objects, hit / np.maximum(hit + miss, 1)
    points = [max(precision[recall >= t], default=0) for t in [i * 0.1 for i in range(11)]]
    area = 0.0
    for k in range(len(recall)):
        step = recall[k] - (recall[k - 1] if k else 0)
        area += step * precision[k:].max()
    return 100 * sum(points) / 11, 100 * area


def crowded(seed: int) -> list[Detections]:
    """Return many boxes with few scores: most are tied, within an image and between images."""
    rng = np.random.default_rng(seed)
    images = []
    for number in range(NUM_IMAGES):
        corner = rng.integers(0, 80, (7, 2))
        true = np.hstack([corner, corner + rng.integers(10, 40, (7, 2))]).astype(np.float32)
        true_labels = rng.integers(0, NUM_CLASSES, 7)
        near = true.repeat(8, axis=0) + rng.integers(-6, 7, (56, 4))
        labels = np.where(rng.random(56) < 0.8, true_labels.repeat(8), 0)
        scores = rng.integers(1, 4, 56).astype(np.float32) / 4
        images.append(
            Detections(
                *(f"i{number}", near.astype(np.float32), scores, labels),
                *(true[:5], true_labels[:5], true[5:], true_labels[5:]),
            )
        )
    return images


def sample(image: Detections) -> dict[str, Any]:
    def part(boxes: np.ndarray, labels: np.ndarray) -> dict[str, torch.Tensor]:
        return dict(bboxes=torch.from_numpy(boxes), labels=torch.from_numpy(labels))

    predicted = part(image.boxes_xyxy, image.labels)
    return dict(
        img_id=image.image_id,
        pred_instances=dict(predicted, scores=torch.from_numpy(image.scores)),
        gt_instances=part(image.true_boxes, image.true_labels),
        ignored_instances=part(image.ignored_boxes, image.ignored_labels),
    )


@pytest.mark.parametrize("seed", range(4))
def test_tied_scores_are_ranked_as_by_the_development_kit(seed: int) -> None:
    images = crowded(seed)
    both = [devkit(images, label) for label in range(NUM_CLASSES)]
    metric = VocMetric()
    metric.dataset_meta = dict(classes=("a", "b", "c"))
    metric.process(None, [sample(image) for image in images])
    result = metric.evaluate(NUM_IMAGES)
    assert 5 < result["mAP_area"] < 95
    # mmdet's average_precision adds up in 32 bits.
    assert result["mAP_voc07"] == pytest.approx(np.mean([voc07 for voc07, _ in both]), abs=2e-4)
    assert result["mAP_area"] == pytest.approx(np.mean([area for _, area in both]), abs=2e-4)
    assert list(metric.per_class.values()) == pytest.approx([area for _, area in both], abs=2e-4)


def test_resampling_ranks_ties_in_the_same_order() -> None:
    images = crowded(9)
    both = [devkit(images, label) for label in range(NUM_CLASSES)]
    arrays = per_image_arrays(images, ("a", "b", "c"))
    outcome = np.select([arrays["ignored"], arrays["matched"]], [NEITHER, HIT], MISS)
    columns = (arrays[name] for name in ("image", "score", "label"))
    matches = BoxMatches(*columns, outcome, arrays["num_gt"])
    once = np.ones((1, NUM_IMAGES), dtype=int)
    for name, expected in zip(("mAP_voc07", "mAP_area"), zip(*both, strict=True), strict=True):
        again = detection_metric(name, arrays["image_ids"].tolist(), [matches]).compute(once)
        assert again == pytest.approx([np.mean(expected)], abs=1e-9)


def test_the_order_of_ties_is_theirs_in_the_results() -> None:
    """Of two equal scores the first one counts: hit, then miss, or the other way round."""
    box, away = [0.0, 0, 9, 9], [50.0, 50, 59, 59]
    for boxes, expected in (([box, away], 100.0), ([away, box], 50.0)):
        image = Detections(
            "a",
            np.array(boxes, np.float32),
            np.array([0.5, 0.5], np.float32),
            np.array([0, 0]),
            np.array([box], np.float32),
            np.array([0]),
            np.zeros((0, 4), np.float32),
            np.zeros(0, int),
        )
        metric = VocMetric()
        metric.dataset_meta = dict(classes=("a",))
        metric.process(None, [sample(image)])
        assert metric.evaluate(1)["mAP_area"] == pytest.approx(expected)


@pytest.mark.parametrize(("tenths", "points"), [(2, 3), (3, 3), (4, 5), (6, 6), (7, 7), (9, 10)])
def test_recall_of_3_6_or_7_tenths_misses_its_point(tenths: int, points: int) -> None:
    """As with GluonCV and mmdet: np.arange gives 0.30000000000000004 (docs/annotations.md)."""
    boxes = np.array([[20.0 * i, 0, 20 * i + 9, 9] for i in range(10)], np.float32)
    image = Detections(
        *("a", boxes[:tenths], np.ones(tenths, np.float32), np.zeros(tenths, int)),
        *(boxes, np.zeros(10, int), np.zeros((0, 4), np.float32), np.zeros(0, int)),
    )
    metric = VocMetric()
    metric.dataset_meta = dict(classes=("a",))
    metric.process(None, [sample(image)])
    assert metric.evaluate(1)["mAP_voc07"] == pytest.approx(100 * points / 11)


def test_every_match_is_that_of_mmdet_class_by_class() -> None:
    """mmdet sorts by numpy's default, which gives ties in any order: it gets ranks for scores."""
    full = crowded(3)
    images = [*full, replace(full[0], boxes_xyxy=full[0].boxes_xyxy[:0], labels=np.zeros(0, int))]
    images[-1] = replace(images[-1], scores=np.zeros(0, np.float32))
    arrays = per_image_arrays(images, ("a", "b", "c"))
    seen = 0
    for number, image in enumerate(images):
        for label in range(NUM_CLASSES):
            here = (arrays["image"] == number) & (arrays["label"] == label)
            of_class = image.labels == label
            assert arrays["score"][here].tolist() == image.scores[of_class].tolist()
            order = np.argsort(-image.scores[of_class], kind="stable")
            ranks = np.empty(len(order))
            ranks[order] = np.arange(len(order), 0, -1)
            hit, miss = tpfp_default(
                np.column_stack([image.boxes_xyxy[of_class], ranks]),
                image.true_boxes[image.true_labels == label],
                image.ignored_boxes[image.ignored_labels == label],
                use_legacy_coordinate=True,
            )
            assert arrays["matched"][here].tolist() == (hit[0] > 0).tolist()
            assert arrays["ignored"][here].tolist() == (hit[0] + miss[0] == 0).tolist()
            seen += here.sum()
    assert seen == len(arrays["matched"]) == 12 * 56
    assert arrays["ignored"].any()
