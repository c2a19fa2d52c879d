"""Metrics of resampled images: equal to the task's own metric on images really repeated."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mmdet.datasets.api_wrappers import COCO, COCOeval
from numpy import ndarray

from bag_of_transfer.detection.coco_judge import judge_boxes
from bag_of_transfer.detection.coco_per_image import coco_arrays
from bag_of_transfer.detection.metrics import VocMetric
from bag_of_transfer.detection.per_image import Detections, per_image_arrays
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.statistics.resampled_boxes import (
    HIT,
    MISS,
    NEITHER,
    BoxMatches,
    average_precisions,
    detection_metric,
)

CLASSES = ("cat", "dog", "cow", "unseen")


def matches_of(arrays: dict[str, ndarray]) -> list[BoxMatches]:
    """From what a cell keeps to what is resampled, one for each IoU."""
    rows = zip(np.atleast_2d(arrays["matched"]), np.atleast_2d(arrays["ignored"]), strict=True)
    common = [arrays[name] for name in ("image", "score", "label")]
    return [
        BoxMatches(*common, np.select([out, hit], [NEITHER, HIT], MISS), arrays["num_gt"])
        for hit, out in rows
    ]


def match_voc(found: list[Detections]) -> list[BoxMatches]:
    return matches_of(per_image_arrays(found, CLASSES))


def names(num_images: int) -> list[str]:
    return [f"{i}.jpg" for i in range(num_images)]


def boxes_near(boxes: ndarray, rng: np.random.Generator) -> ndarray:
    return boxes + rng.normal(0, 3, size=boxes.shape).astype(np.float32)


def image(rng: np.random.Generator, number: int) -> Detections:
    """Some objects found, some twice, some as another class, some difficult; some mistakes."""
    corner = rng.uniform(0, 200, size=(rng.integers(0, 7), 2))
    true = np.hstack([corner, corner + rng.uniform(15, 60, size=corner.shape)]).astype(np.float32)
    labels = rng.integers(3, size=len(true))
    difficult = rng.random(len(true)) < 0.2
    picked = rng.integers(len(true), size=2 * len(true)) if len(true) else np.zeros(0, int)
    wild = boxes_near(np.tile(np.float32([[300, 300, 340, 340]]), (2, 1)), rng)
    found_labels = np.where(rng.random(len(picked)) < 0.8, labels[picked], rng.integers(3))
    return Detections(
        image_id=number,
        boxes_xyxy=np.vstack([boxes_near(true[picked], rng), wild]),
        scores=rng.random(len(picked) + 2).astype(np.float32),
        labels=np.concatenate([found_labels, rng.integers(4, size=2)]),
        true_boxes=true[~difficult],
        true_labels=labels[~difficult],
        ignored_boxes=true[difficult],
        ignored_labels=labels[difficult],
    )


@pytest.fixture(scope="module")
def found() -> list[Detections]:
    rng = np.random.default_rng(0)
    return [image(rng, number) for number in range(40)]


def judged(found: list[Detections]) -> tuple[dict[str, float], dict[str, float]]:
    metric = VocMetric()
    metric.dataset_meta = {"classes": CLASSES}
    return metric.average_precisions(found), metric.per_class


def test_the_drawn_images_have_all_there_is(found: list[Detections]) -> None:
    (matches,) = match_voc(found)
    assert [int((matches.outcome == each).sum()) > 10 for each in (HIT, MISS, NEITHER)] == [
        True
    ] * 3
    assert (matches.num_true.sum(axis=0) > 0).tolist() == [True, True, True, False]
    assert 20 < judged(found)[0]["mAP_voc07"] < 90


@pytest.mark.parametrize("name", ["mAP_voc07", "mAP_area"])
def test_each_image_once_gives_the_metric_itself(found: list[Detections], name: str) -> None:
    metric = detection_metric(name, names(len(found)), match_voc(found))
    expected = judged(found)[0][name]
    # mmdet adds in 32 bits: 1e-7 of 100.
    assert metric.compute(np.ones((1, len(found)), int)) == pytest.approx([expected], abs=2e-5)


def test_a_resample_equals_the_metric_of_the_images_repeated(found: list[Detections]) -> None:
    matches = match_voc(found)
    times = np.random.default_rng(1).multinomial(40, np.full(40, 1 / 40), size=6)
    area = average_precisions(matches[0], times, "area")
    means = [
        detection_metric(name, names(40), matches).compute(times)
        for name in ("mAP_voc07", "mAP_area")
    ]
    for i, row in enumerate(times):
        repeated = [found[n] for n in np.repeat(np.arange(40), row)]
        expected, per_class = judged(repeated)
        assert [mean[i] for mean in means] == pytest.approx(list(expected.values()), abs=2e-5)
        assert area[i, :3] == pytest.approx([per_class[name] for name in CLASSES[:3]], abs=2e-5)
    assert np.isnan(area[:, 3]).all()
    assert np.ptp(means[0]) > 1  # the rows differ


def test_equal_scores_stay_in_the_order_of_the_images(found: list[Detections]) -> None:
    tied = [replace(item, scores=np.round(item.scores, 1)) for item in found]
    metric = detection_metric("mAP_area", names(40), match_voc(tied))
    expected = judged(tied)[0]["mAP_area"]
    assert metric.compute(np.ones((1, 40), int)) == pytest.approx([expected], abs=2e-5)


def by_hand(**changes: Any) -> BoxMatches:
    # Image 0: hit 0.9, difficult 0.85, miss 0.8, one of 1 object; image 1: hit 0.7 of 1 object.
    arrays: dict[str, Any] = dict(
        image=np.array([0, 0, 0, 1]),
        score=np.array([0.9, 0.85, 0.8, 0.7]),
        label=np.zeros(4, int),
        outcome=np.array([HIT, NEITHER, MISS, HIT]),
        num_true=np.array([[1], [1], [0]]),
    )
    return BoxMatches(**{**arrays, **changes})


def test_average_precision_by_hand() -> None:
    times = np.array([[1, 1, 1], [2, 1, 0], [0, 1, 2], [0, 0, 3]])
    voc07, area = (average_precisions(by_hand(), times, rule) for rule in ("voc07", "area"))
    # once each: precision 1 at recall 1/2, 2/3 at 1; 6 points up to 0.5, 5 above
    # image 0 twice: precision 1 at 2/3, then 2 misses: 3/5 at 1; 7 points and 4
    # image 1 alone: all found.  image 2 alone: nothing to find.
    assert voc07[:3, 0] == pytest.approx(
        [100 * (6 + 5 * 2 / 3) / 11, 100 * (7 + 4 * 0.6) / 11, 100]
    )
    assert area[:3, 0] == pytest.approx([100 * 5 / 6, 100 * (2 / 3 + 0.6 / 3), 100])
    assert np.isnan([voc07[3], area[3]]).all()


def test_a_split_where_nothing_was_found() -> None:
    none = dict.fromkeys(("image", "score", "label", "outcome"), np.zeros(0, int))
    for rule in ("voc07", "area", "coco"):
        found = average_precisions(by_hand(**none), np.array([[1, 1, 1], [0, 0, 3]]), rule)
        assert found[0, 0] == 0
        assert np.isnan(found[1, 0])


def test_no_images_matched_have_no_detections(found: list[Detections]) -> None:
    assert match_voc([])[0].num_true.shape == (0, 4)
    silent = replace(
        found[0], boxes_xyxy=np.zeros((0, 4)), scores=np.zeros(0), labels=np.zeros(0, int)
    )
    assert len(match_voc([silent])[0].score) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(score=np.zeros(3)), "unequal length"),
        (dict(num_true=np.zeros(3)), "unequal length"),
        (dict(image=np.array([0, 0, 0, 3])), "a number not in [0, 3): BoxMatches.image"),
        (dict(image=np.array([-1, 0, 0, 1])), "a number not in [0, 3): BoxMatches.image"),
        (dict(label=np.array([0, 0, 0, 1])), "a number not in [0, 1): BoxMatches.label"),
        (dict(outcome=np.array([1, 0, 2, 0])), "not in -1, 0, 1: BoxMatches.outcome"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        by_hand(**changes)


def test_unknown_names_and_other_numbers_of_images_or_ious_are_refused() -> None:
    one = [by_hand()]
    with pytest.raises(
        UserError, match="no metric is called 'map': detection: use one of mAP_voc07"
    ):
        detection_metric("map", names(3), one)
    with pytest.raises(UserError, match="2 names for 3 images: mAP_area"):
        detection_metric("mAP_area", names(2), one)
    with pytest.raises(
        UserError, match="matches at 1 IoU thresholds, but the metric needs 10: AP50"
    ):
        detection_metric("AP50", names(3), one)
    with pytest.raises(
        UserError, match="matches at 10 IoU thresholds, but the metric needs 1: mAP_voc07"
    ):
        detection_metric("mAP_voc07", names(3), 10 * one)


CATEGORY_IDS = tuple(range(1, len(CLASSES) + 1))  # as CocoBoxMetric counts them


def coco_notes(found: list[Detections]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return true boxes and detections as COCO's; difficult objects are crowds.

    The ids of the images rise by two: order and number differ.
    """

    def notes(boxes: ndarray, labels: ndarray, number: int, **more: Any) -> list[dict[str, Any]]:
        sizes = boxes[:, 2:] - boxes[:, :2]
        rows = [dict(image_id=2 * number, category_id=CATEGORY_IDS[k], **more) for k in labels]
        for row, box, size in zip(rows, boxes, sizes, strict=True):
            row.update(bbox=[*map(float, (*box[:2], *size))], area=float(size.prod()))
        return rows

    true, seen = [], []
    for number, item in enumerate(found):
        true += notes(item.true_boxes, item.true_labels, number, iscrowd=0)
        true += notes(item.ignored_boxes, item.ignored_labels, number, iscrowd=1)
        rows = notes(item.boxes_xyxy, item.labels, number, iscrowd=0)
        seen += [dict(r, score=float(s)) for r, s in zip(rows, item.scores, strict=True)]
    return [dict(note, id=i) for i, note in enumerate(true, start=1)], seen


def pycocotools_stats(found: list[Detections]) -> ndarray:
    images = [dict(id=2 * number) for number in range(len(found))]
    categories = [dict(id=k, name=name) for k, name in zip(CATEGORY_IDS, CLASSES, strict=True)]

    def load(notes: list[dict[str, Any]]) -> COCO:
        made = COCO()
        notes = [dict(note, id=i) for i, note in enumerate(notes, start=1)]
        made.dataset = dict(images=images, categories=categories, annotations=notes)
        made.createIndex()
        return made

    true, seen = coco_notes(found)
    judge = COCOeval(load(true), load([dict(note, iscrowd=0) for note in seen]), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return judge.stats


def test_coco_equals_pycocotools_on_the_images_repeated(found: list[Detections]) -> None:
    image_ids = [2 * number for number in range(40)]
    judge = judge_boxes(image_ids, CATEGORY_IDS, *coco_notes(found))
    arrays = coco_arrays(judge, CLASSES, image_ids)
    assert arrays["image_ids"].tolist() == [str(2 * number) for number in range(40)]
    assert arrays["num_gt"].tolist() == per_image_arrays(found, CLASSES)["num_gt"].tolist()
    assert not (arrays["matched"] & arrays["ignored"]).any()
    matches = matches_of(arrays)
    assert len(matches) == 10
    times = np.random.default_rng(2).multinomial(40, np.full(40, 1 / 40), size=3)
    times[0] = 1
    metrics = [detection_metric(name, names(40), matches) for name in ("AP", "AP50", "AP75")]
    ours = np.stack([metric.compute(times) for metric in metrics], axis=1)
    for row, ap in zip(times, ours, strict=True):
        stats = pycocotools_stats([found[n] for n in np.repeat(np.arange(40), row)])
        assert ap == pytest.approx(100 * stats[:3], abs=1e-9)
    assert np.ptp(ours[0]) > 5  # the three differ
