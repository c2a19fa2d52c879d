"""What a detector's classes found and confused: against mmdet, pycocotools and a plain loop."""

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.evaluation.functional.mean_ap import tpfp_default
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bag_of_transfer.detection.coco_judge import judge_boxes
from bag_of_transfer.detection.coco_per_image import boxes_of, coco_arrays
from bag_of_transfer.detection.details import box_details, matches_of
from bag_of_transfer.detection.metrics import VocMetric
from bag_of_transfer.engine.loop.details import Details, describe, worst_images

CLASSES = ("a", "b", "c", "d")
NUM_IMAGES = 12


def drawn(seed: int) -> list[dict[str, Any]]:
    """Draw objects, near detections with swapped classes, misses and difficult objects."""
    rng = np.random.default_rng(seed)
    samples = []
    for image in range(NUM_IMAGES):
        count = int(rng.integers(0, 6)) * (image % 5 > 0)
        corner = rng.integers(0, 60, (count, 2))
        true = np.hstack([corner, corner + rng.integers(12, 30, (count, 2))]).astype(np.float32)
        labels = rng.integers(0, 3, count)  # nothing of class d
        near = np.repeat(true, 2, axis=0) + rng.integers(-3, 4, (2 * count, 4))
        guesses = np.where(rng.random(2 * count) < 0.6, np.repeat(labels, 2), rng.integers(0, 4))
        difficult = count // 3

        def part(boxes: np.ndarray, of: np.ndarray) -> dict[str, torch.Tensor]:
            return dict(bboxes=torch.from_numpy(boxes.astype(np.float32)), labels=torch.tensor(of))

        found = dict(part(near, guesses), scores=torch.tensor(rng.random(2 * count).astype("f4")))
        samples.append(
            dict(
                img_id=f"i{image}",
                pred_instances=found,
                gt_instances=part(true[difficult:], labels[difficult:]),
                ignored_instances=part(true[:difficult], labels[:difficult]),
            )
        )
    return samples


def details_of(samples: list[dict[str, Any]]) -> tuple[Details, VocMetric]:
    metric = VocMetric()
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process(None, samples)
    metric.evaluate(len(samples))
    assert metric.details is not None
    return metric.details, metric


def mmdet_counts(samples: list[dict[str, Any]], label: int, score: float) -> tuple[int, int]:
    """Return hits and misses of a class by mmdet's own matching."""
    hits = misses = 0
    for sample in samples:
        found, true, out = (sample[f"{name}_instances"] for name in ("pred", "gt", "ignored"))
        kept = (found["labels"] == label) & (found["scores"] >= score)
        boxes = torch.cat([found["bboxes"], found["scores"][:, None]], 1)[kept].numpy()
        of_class = (one["bboxes"][one["labels"] == label].numpy() for one in (true, out))
        right, wrong = tpfp_default(boxes, *of_class, 0.5, use_legacy_coordinate=True)
        hits, misses = hits + int(right.sum()), misses + int(wrong.sum())
    return hits, misses


@pytest.mark.parametrize("seed", [0, 1])
def test_hits_and_misses_are_those_of_mmdet(seed: int) -> None:
    samples = drawn(seed)
    details, metric = details_of(samples)
    assert details.score is not None
    confusion, totals = details.confusion, details.counts
    for label, name in enumerate(CLASSES):
        hits, misses = mmdet_counts(samples, label, details.score)
        assert confusion[label, label] == hits
        assert confusion[:, label].sum() == hits + misses
        assert confusion[label].sum() == totals[label]
        if totals[label]:
            assert details.recall[label] == pytest.approx(100 * hits / totals[label])
            assert details.figures[label] == metric.per_class[name]
        assert details.precision[label] == pytest.approx(100 * hits / (hits + misses))
    assert np.isnan([details.figures[3], details.recall[3]]).all()
    assert confusion[:3, :3].sum() > confusion.diagonal().sum()  # some are taken for others
    assert confusion[-1, -1] == 0


def test_no_other_score_gives_a_higher_mean_f1() -> None:
    samples = drawn(2)
    details, _ = details_of(samples)

    def mean_f1(score: float) -> float:
        pairs = [mmdet_counts(samples, label, score) for label in range(3)]
        totals = details.counts[:3].tolist()
        f1 = [2 * h / (h + m + n) for (h, m), n in zip(pairs, totals, strict=True)]
        return float(np.mean(f1))

    scores = [round(0.01 * step, 2) for step in range(1, 100)]
    assert details.score == max(scores, key=mean_f1)


def test_swapped_missed_and_invented_boxes_by_hand() -> None:
    def part(boxes: list[list[float]], labels: list[int]) -> dict[str, torch.Tensor]:
        return dict(bboxes=torch.tensor(boxes).reshape(-1, 4), labels=torch.tensor(labels).long())

    left, right, far = [0.0, 0, 19, 19], [40.0, 0, 59, 19], [80.0, 80, 99, 99]
    found = part([left, right, far], [0, 2, 1])
    sample = dict(
        img_id="one",
        pred_instances=dict(found, scores=torch.tensor([0.9, 0.8, 0.7])),
        gt_instances=part([left, right, [0.0, 60, 9, 69]], [0, 1, 3]),
        ignored_instances=part([], []),
    )
    details, _ = details_of([sample])
    record = describe(details, split="val", metrics={})
    named = {
        (record["confusion"]["names"][row], record["confusion"]["names"][column]): count
        for row, column, count in record["confusion"]["counts"]
    }
    # The highest mean F1 is that of the first box alone and of all: the lowest such score counts.
    assert details.score == 0.01
    assert named == {
        ("a", "a"): 1,
        ("b", "c"): 1,
        ("d", "background"): 1,
        ("background", "b"): 1,
    }
    assert record["num_never_found"] == 2
    assert worst_images(details) == [(0, pytest.approx(100 * 2 / 6))]
    assert details.image_figures.tolist() == [pytest.approx(100 * 2 / 6)]


def test_a_detector_that_finds_nothing_has_details() -> None:
    samples = drawn(3)
    for sample in samples:
        sample["pred_instances"] = {k: v[:0] for k, v in sample["pred_instances"].items()}
    details, _ = details_of(samples)
    assert details.confusion[:-1, -1].tolist() == details.counts.tolist()
    assert np.isnan(details.precision).all()
    assert details.score == 0.5


def test_curves_and_hits_are_those_of_pycocotools() -> None:
    samples = drawn(4)
    true, found = [], []
    for number, sample in enumerate(samples, start=1):
        for name, crowd in (("gt", 0), ("ignored", 1)):
            part = sample[f"{name}_instances"]
            for box, label in zip(part["bboxes"].tolist(), part["labels"].tolist(), strict=True):
                true.append(note(number, label, box, iscrowd=crowd))
        part = sample["pred_instances"]
        columns = (part[name].tolist() for name in ("bboxes", "labels", "scores"))
        for box, label, score in zip(*columns, strict=True):
            found.append(note(number, label, box, score=score))
    true = [dict(one, id=number) for number, one in enumerate(true, start=1)]
    images, labels = list(range(1, NUM_IMAGES + 1)), [1, 2, 3, 4]
    judge = judge_boxes(images, labels, [dict(one) for one in true], [dict(one) for one in found])
    arrays = coco_arrays(judge, CLASSES, images)
    arrays |= {name: arrays[name][0] for name in ("matched", "ignored")}
    details = box_details(matches_of(arrays, *boxes_of(judge), legacy=False), CLASSES, {})

    with redirect_stdout(StringIO()):
        truth = COCO()
        truth.dataset = dict(
            images=[dict(id=n) for n in images],
            categories=[dict(id=n) for n in labels],
            annotations=true,
            info={},
        )
        truth.createIndex()
        theirs = COCOeval(truth, truth.loadRes(found), "bbox")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    assert details.curves is not None
    expected = 100 * theirs.eval["precision"][0, :, :, 0, -1].T
    assert details.curves[:3] == pytest.approx(expected[:3])
    assert np.nanmean(details.curves) == pytest.approx(100 * theirs.stats[1])
    assert np.isnan(details.curves[3]).all()
    kept = [one for one in theirs.evalImgs if one and one["aRng"][1] > 1e9]
    for label in range(3):
        of_class = [one for one in kept if one["category_id"] == label + 1]
        hits = sum(
            int(
                (
                    (one["dtMatches"][0] > 0)
                    & ~one["dtIgnore"][0].astype(bool)
                    & (np.array(one["dtScores"]) >= details.score)
                ).sum()
            )
            for one in of_class
        )
        assert details.confusion[label, label] == hits
        assert details.confusion[label].sum() == details.counts[label]


def note(number: int, label: int, box: list[float], **more: Any) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    size = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
    return dict(image_id=number, category_id=label + 1, **size, **more)
