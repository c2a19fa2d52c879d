"""Average precision in percent, of all classes and of each.

VOC: precision over recall at IoU 0.5, once by the 11-point rule of VOC 2007 and once by the
area of VOC 2010 and later, both from the same matches.  COCO: the mean over IoU 0.50 to 0.95,
computed by faster-coco-eval, which gives pycocotools' numbers.  mmdet's own metrics round to three
digits and give fractions.
"""

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval import COCOeval_faster
from mmdet.evaluation.functional.mean_ap import average_precision
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from numpy import ndarray

from bag_of_transfer.detection.coco_fields import Id
from bag_of_transfer.detection.coco_judge import judge_boxes
from bag_of_transfer.detection.coco_per_image import boxes_of, coco_arrays
from bag_of_transfer.detection.coco_truth import CocoTruth, truth_of_file
from bag_of_transfer.detection.details import Matches, box_details, matches_of
from bag_of_transfer.detection.per_image import Detections, per_image_arrays
from bag_of_transfer.engine.atomic import write_arrays, write_text
from bag_of_transfer.engine.data.garbage import no_collection
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.details import Details

__all__ = ["READ_BOXES", "CocoBoxMetric", "Detections", "VocMetric", "coco_results"]

READ_BOXES = "LoadAnnotations(with_bbox=True)"


def coco_results(
    detections: Sequence[Detections], category_ids: Sequence[Id]
) -> list[dict[str, Any]]:
    """Return detections in COCO's results format.

    Args:
        detections: One entry per image.
        category_ids: The id of each label's category.

    Returns:
        One ``dict(image_id, category_id, bbox, score)`` per box; ``bbox`` is x, y, width and
        height in pixels of the original image, counted from 0.
    """
    found = []
    for item in detections:
        corners, sizes = item.boxes_xyxy[:, :2], item.boxes_xyxy[:, 2:] - item.boxes_xyxy[:, :2]
        rows = (np.hstack([corners, sizes]), item.scores, item.labels.astype(int))
        found += [
            {
                "image_id": item.image_id,
                "category_id": category_ids[label],
                "bbox": box,
                "score": score,
            }
            for box, score, label in zip(*(row.tolist() for row in rows), strict=True)
        ]
    return found


class BoxMetric(BaseMetric):
    """What both metrics share.

    After ``evaluate``, ``per_class`` holds the average precision in percent of every class of
    which the split has a box, and ``details`` what was found and confused.

    Args:
        results_file: Where to write the detections in COCO's results format; None: nowhere.
        per_image_file: Where to write hits and misses, see ``per_image.py``; None: nowhere.
        collect_device: ``"cpu"`` or ``"gpu"``, where several processes join their results.
    """

    default_prefix = ""  # names without a prefix; None would cause a warning

    def __init__(
        self,
        results_file: str | None = None,
        per_image_file: str | None = None,
        collect_device: str = "cpu",
    ) -> None:
        super().__init__(collect_device=collect_device)
        self.results_file = results_file
        self.per_image_file = per_image_file
        self.per_class: dict[str, float] = {}
        self.details: Details | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep one batch's detections and, where the metric compares with them, true boxes."""
        for sample in data_samples:
            predicted = sample["pred_instances"]
            found = [_to_numpy(predicted[key]) for key in ("bboxes", "scores", "labels")]
            self.results.append(Detections(sample["img_id"], *found, *self.true_boxes(sample)))

    def true_boxes(self, sample: Mapping[str, Any]) -> Iterable[ndarray]:
        """Return the last four of ``Detections``, of an image with what its pipeline has read."""
        return np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4)), np.zeros(0)

    def compute_metrics(self, results: list[Detections]) -> dict[str, float]:
        """Compute the metrics over all images, fill ``per_class``, write ``results_file``."""
        if self.results_file:
            # One box per line: indented, COCO's would fill hundreds of megabytes.
            boxes = map(json.dumps, coco_results(results, self.category_ids()))
            write_text(self.results_file, "[\n" + ",\n".join(boxes) + "\n]\n")
        metrics = self.average_precisions(results)
        arrays, matches = self.per_image(results)
        if self.per_image_file:
            write_arrays(self.per_image_file, arrays)
        self.details = box_details(matches, self.classes, self.per_class)
        return metrics

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the class names in the order of their labels."""
        return tuple(self.dataset_meta["classes"])

    @abstractmethod
    def category_ids(self) -> Sequence[Id]:
        """Return the id that stands for each label in ``results_file``."""

    @abstractmethod
    def average_precisions(self, results: list[Detections]) -> dict[str, float]:
        """Compute the metrics in percent and fill ``per_class``."""

    @abstractmethod
    def per_image(self, results: list[Detections]) -> tuple[dict[str, ndarray], Matches]:
        """Return the matches of ``average_precisions``, called right before, image by image.

        Returns:
            What ``per_image_file`` holds, and the matches at IoU 0.5.
        """


def _to_numpy(tensor: Any) -> ndarray:
    # Boxes of the ground truth may be mmdet's HorizontalBoxes, which wrap a tensor.
    return getattr(tensor, "tensor", tensor).float().cpu().numpy()


@METRICS.register_module()
class VocMetric(BoxMetric):
    """``mAP_voc07`` (11 points) and ``mAP_area`` at IoU 0.5; ``per_class`` by the area.

    As in VOC's development kit, the last pixel belongs to the box, a second detection of an
    object is a mistake, and difficult objects do not count, whether found or not.  In
    ``results_file`` the categories are 1 to K in the order of the classes, and ``image_id`` is the
    image's name without suffix.
    """

    names = ("mAP_voc07", "mAP_area")
    _matches: dict[str, ndarray]

    def true_boxes(self, sample: Mapping[str, Any]) -> Iterable[ndarray]:
        """Return the true boxes that the pipeline has read, then the difficult ones.

        Raises:
            UserError: If it has read none.
        """
        parts = [sample[name] for name in ("gt_instances", "ignored_instances")]
        if "bboxes" not in parts[0]:
            mend = f"state {READ_BOXES} in the pipeline"
            raise UserError("no boxes to judge by", sample.get("img_path", "VocMetric"), mend)
        return [_to_numpy(part[key]) for part in parts for key in ("bboxes", "labels")]

    def category_ids(self) -> list[int]:
        """Return 1 to K."""
        return list(range(1, len(self.classes) + 1))

    def average_precisions(self, results: list[Detections]) -> dict[str, float]:
        """Compute both means over the classes that have a box."""
        self._matches = per_image_arrays(results, self.classes)
        label, score = self._matches["label"], self._matches["score"]
        order = np.lexsort((-score, label))  # stable: of equal scores the earlier comes first
        ends = label[order].searchsorted(range(1, len(self.classes)))
        num_true = self._matches["num_gt"].sum(axis=0)
        pairs = {
            name: _voc_ap(self._matches["matched"][of_class], self._matches["ignored"][of_class], n)
            for name, of_class, n in zip(
                self.classes, np.split(order, ends), num_true.tolist(), strict=True
            )
            if n
        }
        self.per_class = {name: area for name, (_, area) in pairs.items()}
        voc07, area = np.mean(list(pairs.values()), axis=0) if pairs else (0.0, 0.0)
        return {"mAP_voc07": float(voc07), "mAP_area": float(area)}

    def per_image(self, results: list[Detections]) -> tuple[dict[str, ndarray], Matches]:
        """Return the matches that the means come from."""
        boxes = [item.boxes_xyxy[np.argsort(item.labels, kind="stable")] for item in results]
        flat = np.concatenate([np.zeros((0, 4)), *boxes])
        true = [(item.true_boxes, item.true_labels.astype(int)) for item in results]
        return self._matches, matches_of(self._matches, flat, true, legacy=True)


def _voc_ap(matched: ndarray, ignored: ndarray, num_true: int) -> tuple[float, float]:
    """Return AP in percent of one class, by 11 points and by area.

    Args:
        matched: Which detections are hits, by falling score.
        ignored: Which are neither hits nor misses.
        num_true: Its objects, at least one.
    """
    counted = (~ignored).cumsum()
    # The curve at its hits only: it changes elsewhere by falling, which neither rule looks at.
    hits = np.arange(1, np.count_nonzero(matched) + 1)
    recall, precision = hits / num_true, hits / counted[matched]
    voc07, area = (average_precision(recall, precision, mode) for mode in ("11points", "area"))
    return 100 * float(voc07), 100 * float(area)


@METRICS.register_module()
class CocoBoxMetric(BoxMetric):
    """``AP AP50 AP75 APs APm APl`` of pycocotools, at most 100 boxes per image.

    The truth is what the data set ``CocoFormat`` has read and cleaned; for another data set, the
    same reader reads ``ann_file``.  As in COCO, a size of which the split has no box gives -1.
    ``image_id`` and ``category_id`` in ``results_file`` are those of the file.

    Args:
        ann_file: The split's JSON file; None: the one that ``CocoFormat`` has read.
        **kwargs: See :class:`BoxMetric`.
    """

    names = ("AP", "AP50", "AP75", "APs", "APm", "APl")  # the first six of the judge's stats

    def __init__(self, ann_file: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ann_file = ann_file
        self._truth: CocoTruth | None = None
        self._judge: COCOeval_faster | None = None
        self._image_ids: list[Id] = []  # of the images in the judge's order

    def truth(self) -> CocoTruth:
        """Return the true boxes, which are read once.

        Raises:
            UserError: If there is neither ``ann_file`` nor a data set that has them.
        """
        if self._truth is None:
            self._truth = self._find_truth()
        return self._truth

    def _find_truth(self) -> CocoTruth:
        read: CocoTruth | None = self.dataset_meta.get("coco_truth")
        if read and self.ann_file in (None, str(read.path)):
            return read
        if self.ann_file is None:
            raise UserError(
                "no annotation file to judge by",
                "val_evaluator.ann_file",
                "state it, or use the data set CocoFormat with test_mode=True",
            )
        return truth_of_file(Path(self.ann_file))

    def category_ids(self) -> list[Id]:
        """Return the ids of the classes, found by name."""
        return self.truth().ids_of(self.classes)

    def average_precisions(self, results: list[Detections]) -> dict[str, float]:
        """Evaluate the images that were predicted: unreadable ones were not."""
        truth = self.truth()
        numbers = truth.numbers([item.image_id for item in results])
        counted = [replace(item, image_id=n) for item, n in zip(results, numbers, strict=True)]
        labels = range(1, len(self.classes) + 1)
        with no_collection():
            found = coco_results(counted, labels)
            judge = judge_boxes(numbers, labels, truth.annotations(self.classes), found)
        self._judge = judge
        self._image_ids = [truth.images[number - 1].image_id for number in judge.params.imgIds]
        # precision: [10 IoUs, 101 recalls, K classes, 4 sizes, 3 limits]; sizes and limits
        # start with "all" and end with 100 boxes.  -1 where the class has no box.
        precision = judge.eval["precision"][:, :, :, 0, -1].mean(axis=(0, 1))
        self.per_class = {
            name: 100 * float(ap)
            for name, ap in zip(self.classes, precision, strict=True)
            if ap >= 0
        }
        return {name: _percent(ap) for name, ap in zip(self.names, judge.stats, strict=False)}

    def per_image(self, results: list[Detections]) -> tuple[dict[str, ndarray], Matches]:
        """Return the matches at each of COCO's ten IoUs."""
        with no_collection():
            arrays = coco_arrays(self._judge, self.classes, self._image_ids)
        boxes_xyxy, true = boxes_of(self._judge)
        self._judge = None  # it holds every image's matches
        at_half = {name: arrays[name][0] for name in ("matched", "ignored")}
        return arrays, matches_of({**arrays, **at_half}, boxes_xyxy, true, legacy=False)


def _percent(ap: float) -> float:
    return 100 * float(ap) if ap >= 0 else -1.0
