"""Average precision: by hand, and against mmdet's own metrics on random boxes."""

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from mmdet.evaluation.functional import eval_map
from mmdet.evaluation.metrics import CocoMetric
from pycocotools.coco import COCO
from torch import Tensor

from bag_of_transfer.detection.datasets import CocoFormat
from bag_of_transfer.detection.metrics import BoxMetric, CocoBoxMetric, VocMetric
from bag_of_transfer.engine.errors import UserError

Boxes = list[list[float]]


def sample(
    predicted: Boxes,
    scores: list[float],
    labels: list[int],
    true: Boxes,
    true_labels: list[int],
    difficult: Boxes = [],  # noqa: B006  never changed
    image_id: int | str = "a",
) -> dict[str, Any]:
    def instances(boxes: Boxes, labels: list[int]) -> dict[str, Tensor]:
        return dict(bboxes=torch.tensor(boxes).reshape(-1, 4), labels=torch.tensor(labels).long())

    return dict(
        img_id=image_id,
        pred_instances=dict(instances(predicted, labels), scores=torch.tensor(scores)),
        gt_instances=instances(true, true_labels),
        ignored_instances=instances(difficult, [0] * len(difficult)),
    )


def judge(metric: BoxMetric, samples: list[dict[str, Any]], **meta: Any) -> dict[str, float]:
    metric.dataset_meta = dict(meta)
    metric.process(None, samples)
    return metric.evaluate(len(samples))


LEFT, RIGHT, NOWHERE = [0.0, 0, 9, 9], [20.0, 0, 29, 9], [50.0, 50, 59, 59]


def test_voc_by_hand() -> None:
    # hit 0.9, miss 0.8, hit 0.7: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1.
    predicted = sample([LEFT, NOWHERE, RIGHT], [0.9, 0.8, 0.7], [0, 0, 0], [LEFT, RIGHT], [0, 0])
    metric = VocMetric()
    result = judge(metric, [predicted], classes=("thing", "unseen"))
    # 11 points: recall 0 to 0.5 (6 of them) precision 1, 0.6 to 1 (5) precision 2/3.
    assert result["mAP_voc07"] == pytest.approx(100 * (6 + 5 * 2 / 3) / 11)
    assert result["mAP_area"] == pytest.approx(100 * (0.5 * 1 + 0.5 * 2 / 3))
    assert list(result) == ["mAP_voc07", "mAP_area"]
    assert metric.per_class == {"thing": pytest.approx(100 * 5 / 6)}  # no "unseen": no box of it


def test_voc_counts_a_second_detection_as_a_mistake() -> None:
    # Hit 0.9, miss 0.8: the one object is found at precision 1 before the second counts.
    early = sample([LEFT, LEFT], [0.9, 0.8], [0, 0], [LEFT], [0])
    assert judge(VocMetric(), [early], classes=("thing",))["mAP_area"] == 100
    # Hit, miss, hit: 2 of 3 right when the second object is found.
    late = sample([LEFT, LEFT, RIGHT], [0.9, 0.8, 0.7], [0] * 3, [LEFT, RIGHT], [0, 0])
    result = judge(VocMetric(), [late], classes=("thing",))
    assert result["mAP_area"] == pytest.approx(100 * (0.5 + 0.5 * 2 / 3))


def test_voc_neither_rewards_nor_punishes_difficult_objects() -> None:
    predicted = sample([RIGHT, LEFT], [0.9, 0.8], [0, 0], [LEFT], [0], difficult=[RIGHT])
    assert judge(VocMetric(), [predicted], classes=("thing",))["mAP_area"] == 100
    missed = sample([LEFT], [0.8], [0], [LEFT], [0], difficult=[RIGHT])
    assert judge(VocMetric(), [missed], classes=("thing",))["mAP_area"] == 100


def test_voc_without_a_single_detection_is_zero() -> None:
    empty = sample([], [], [], [LEFT], [0])
    expected = {"mAP_voc07": 0.0, "mAP_area": 0.0}
    assert judge(VocMetric(), [empty], classes=("thing",)) == expected


def random_samples(count: int) -> list[dict[str, Any]]:
    """Return true boxes, and detections of which some lie near them."""
    rng = torch.Generator().manual_seed(0)

    def boxes(number: int) -> Tensor:
        corner = torch.rand(number, 2, generator=rng) * 60
        return torch.cat([corner, corner + 5 + torch.rand(number, 2, generator=rng) * 30], 1)

    samples = []
    for image_id in range(count):
        true, labels = boxes(4), torch.randint(3, (4,), generator=rng)
        near = true + torch.randn(4, 4, generator=rng) * 2
        scores = torch.rand(10, generator=rng)
        guessed = torch.cat([labels, torch.randint(3, (6,), generator=rng)])
        samples.append(
            sample(
                torch.cat([near, boxes(6)]).tolist(),
                scores.tolist(),
                guessed.tolist(),
                true.tolist(),
                labels.tolist(),
                difficult=boxes(1).tolist(),
                image_id=image_id,
            )
        )
    return samples


@pytest.mark.parametrize(("mode", "name"), [("11points", "mAP_voc07"), ("area", "mAP_area")])
def test_voc_equals_mmdets_map(mode: str, name: str) -> None:
    samples, classes = random_samples(12), ("a", "b", "c")
    annotations, predicted = [], []
    for item in samples:
        true, ignored, pred = (
            {key: value.numpy() for key, value in item[part].items()}
            for part in ("gt_instances", "ignored_instances", "pred_instances")
        )
        annotations.append(
            dict(
                bboxes=true["bboxes"],
                labels=true["labels"],
                bboxes_ignore=ignored["bboxes"],
                labels_ignore=ignored["labels"],
            )
        )
        both = torch.tensor(pred["bboxes"]), torch.tensor(pred["scores"])[:, None]
        scored = torch.cat(both, 1).numpy()
        predicted.append([scored[pred["labels"] == label] for label in range(3)])
    expected, _ = eval_map(
        *(predicted, annotations),
        iou_thr=0.5,
        dataset=classes,
        logger="silent",
        nproc=1,
        use_legacy_coordinate=True,
        eval_mode=mode,
    )
    metric = VocMetric()
    result = judge(metric, samples, classes=classes)
    assert result[name] == pytest.approx(100 * expected, abs=1e-3)
    assert 5 < result[name] < 95
    assert result["mAP_area"] == pytest.approx(sum(metric.per_class.values()) / 3)


@pytest.fixture
def coco_split(tmp_path: Path, draw_coco: Callable[..., Path]) -> CocoFormat:
    return CocoFormat(
        data_root=str(draw_coco(tmp_path, val=3)),
        ann_file="annotations/val.json",
        data_prefix=dict(img="images/"),
        test_mode=True,
        serialize_data=False,  # it calls the garbage collector: slow in a large process
    )


def coco_samples(split: CocoFormat, shift: float) -> list[dict[str, Any]]:
    """Return every true box moved by a part of its width, and one box without an object."""
    samples = []
    for index in range(len(split)):
        info = split.get_data_info(index)
        labels = [x["bbox_label"] for x in info["instances"]]
        true = [[float(corner) for corner in x["bbox"]] for x in info["instances"]]
        moved = []
        for x1, y1, x2, y2 in true:
            moved.append([x1 + shift * (x2 - x1), y1, x2 + shift * (x2 - x1), y2])
        predicted = sample(
            *([*moved, NOWHERE], [0.9, 0.8, 0.1], [*labels, 0], true, labels),
            image_id=info["img_id"],
        )
        predicted.update(ori_shape=(65, 96), instances=info["instances"])
        samples.append(predicted)
    return samples


def test_coco_by_hand(coco_split: CocoFormat) -> None:
    # Moved by 0.1 of the width: IoU 0.9 / 1.1 = 0.818, right at 0.50, 0.55, ..., 0.80.
    metric = CocoBoxMetric()
    result = judge(metric, coco_samples(coco_split, 0.1), **coco_split.metainfo)
    assert list(result) == ["AP", "AP50", "AP75", "APs", "APm", "APl"]
    assert result["AP"] == pytest.approx(70)
    assert result["AP50"] == result["AP75"] == pytest.approx(100)
    assert metric.per_class == {"leaf": pytest.approx(70), "brick": pytest.approx(70)}
    assert result["APl"] == -1  # COCO's sign for: no box of 96 x 96 or more is there


def test_coco_equals_mmdets_metric_and_follows_the_labels(coco_split: CocoFormat) -> None:
    samples = coco_samples(coco_split, 0.2)
    brick = coco_split.metainfo["classes"].index("brick")
    labels = samples[0]["pred_instances"]["labels"]
    labels[labels == brick] = 1 - brick  # one brick is taken for a leaf
    theirs = CocoMetric(ann_file=coco_split.ann_file)
    # mmdet's metric takes the order of the file, whatever the data set's.
    theirs.dataset_meta = dict(classes=("brick", "leaf"))
    swapped = [
        dict(s, pred_instances=dict(s["pred_instances"], labels=1 - s["pred_instances"]["labels"]))
        for s in samples
    ]
    theirs.process(None, swapped)
    expected = theirs.evaluate(len(samples))
    metric = CocoBoxMetric()
    result = judge(metric, samples, **coco_split.metainfo)
    for ours, mmdets in (("AP", "mAP"), ("AP50", "mAP_50"), ("AP75", "mAP_75"), ("APs", "mAP_s")):
        # mmdet rounds fractions to three digits.
        assert result[ours] == pytest.approx(100 * expected[f"coco/bbox_{mmdets}"], abs=0.051)
    assert metric.per_class["brick"] < metric.per_class["leaf"] < 100


def test_coco_counts_100_boxes_of_an_image_in_all_values_mmdet_in_one(tmp_path: Path) -> None:
    boxes = [[20.0 * column, 20.0 * row, 15.0, 15.0] for column in range(15) for row in range(10)]
    note = dict(image_id=1, category_id=1, area=225, iscrowd=0)
    notes = [dict(note, id=number, bbox=box) for number, box in enumerate(boxes, start=1)]
    images = [dict(id=1, file_name="1.png", width=300, height=200)]
    content = dict(images=images, annotations=notes, categories=[dict(id=1, name="a")])
    file = tmp_path / "dense.json"
    file.write_text(json.dumps(content))
    corners = [[x, y, x + width, y + height] for x, y, width, height in boxes]
    zeros = [0] * len(boxes)
    perfect = sample(corners, [1.0] * len(boxes), zeros, corners, zeros, image_id=1)
    ours = judge(CocoBoxMetric(ann_file=str(file)), [perfect], classes=("a",))
    theirs = CocoMetric(ann_file=str(file))
    theirs.dataset_meta = dict(classes=("a",))
    theirs.process(None, [dict(perfect, ori_shape=(200, 300))])
    expected = theirs.evaluate(1)
    assert ours["AP"] == pytest.approx(100 * expected["coco/bbox_mAP"], abs=0.051)
    assert ours["AP50"] == ours["AP"] < 100 * expected["coco/bbox_mAP_50"] == 100


def test_coco_judges_only_the_images_that_were_seen(coco_split: CocoFormat) -> None:
    seen = coco_samples(coco_split, 0.0)[:2]
    assert judge(CocoBoxMetric(), seen, **coco_split.metainfo)["AP"] == pytest.approx(100)


def test_coco_without_a_single_detection_is_zero(coco_split: CocoFormat) -> None:
    info = coco_split.get_data_info(0)
    metric = CocoBoxMetric()
    empty = sample([], [], [], [LEFT], [0], image_id=info["img_id"])
    assert judge(metric, [empty], **coco_split.metainfo)["AP"] == 0
    assert metric.per_class == {"leaf": 0.0, "brick": 0.0}


def test_coco_says_that_it_lacks_annotations() -> None:
    with pytest.raises(UserError, match=r"val_evaluator\.ann_file"):
        judge(CocoBoxMetric(), [sample([], [], [], [LEFT], [0])], classes=("thing",))


def test_results_file_of_voc_counts_categories_from_one(tmp_path: Path) -> None:
    file = tmp_path / "new/found.json"
    predicted = sample([[1.0, 2, 4, 8]], [0.5], [1], [LEFT], [0], image_id="000012")
    judge(VocMetric(results_file=str(file)), [predicted], classes=("a", "b"))
    assert json.loads(file.read_text()) == [
        dict(image_id="000012", category_id=2, bbox=[1.0, 2.0, 3.0, 6.0], score=0.5)
    ]


def test_results_file_of_coco_loads_in_pycocotools(coco_split: CocoFormat, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    metric = CocoBoxMetric(results_file=str(file))
    judge(metric, coco_samples(coco_split, 0.1), **coco_split.metainfo)
    with redirect_stdout(StringIO()):
        assert len(COCO(coco_split.ann_file).loadRes(str(file)).anns) == 9
    assert {entry["category_id"] for entry in json.loads(file.read_text())} == {7, 9}
