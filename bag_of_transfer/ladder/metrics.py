"""The metrics that a ladder knows, one row for each; all in percent, larger is better."""

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "METRICS",
    "TOP1",
    "AverageRule",
    "BoxAverage",
    "Metric",
    "label_of",
    "metric_of",
    "shown_metrics",
]

TOP1 = "top1"  # the metric of a pretraining
AverageRule = Literal["voc07", "area", "coco"]


@dataclass(frozen=True)
class BoxAverage:
    """How to compute a mean average precision again from matched boxes.

    Args:
        rule: How to compute AP from the curve; see ``statistics/resampled_boxes.py``.
        num_ious: Number of IoU thresholds at which boxes were matched.
        used: Indices of the thresholds that this metric uses.
    """

    rule: AverageRule
    num_ious: int = 1
    used: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Metric:
    """One metric of ``metrics.json``.

    Args:
        name: Its key in that file.
        label: Its name in tables and plots.
        evaluator: The evaluator of the tasks whose tables show it; "" for none.
        class_label: Name of the values in ``per_class`` if this is the last metric of its task.
        interval_of: The metric that is shown beside it where there are intervals over test images,
            because it has good ones and this metric has none; "" if this metric has.
        boxes: How to compute it again from matched boxes; None if that is impossible.
        masks: Whether it can be computed again from pixel counts.
        margin: The largest difference, in percent points, that counts as none, unless the ladder
            states another.
    """

    name: str
    label: str
    evaluator: str = ""
    class_label: str = "the metric of each class"
    interval_of: str = ""
    boxes: BoxAverage | None = None
    masks: bool = False
    margin: float = 0.5


_ROWS = (
    Metric(TOP1, "top-1"),
    # Intervals of the 11-point mAP cover the truth too rarely, those of the area do not: see
    # statistics/resampled_boxes.py.
    Metric(
        "mAP_voc07",
        "mAP (VOC07)",
        evaluator="VocMetric",
        class_label="AP (area)",
        interval_of="mAP_area",
        boxes=BoxAverage("voc07"),
        margin=1.0,
    ),
    Metric("mAP_area", "mAP (area)", boxes=BoxAverage("area"), margin=1.0),
    # COCO's ten IoU thresholds are 0.50, 0.55, ..., 0.95.
    Metric(
        "AP",
        "AP",
        evaluator="CocoBoxMetric",
        class_label="AP",
        boxes=BoxAverage("coco", 10, tuple(range(10))),
        margin=1.0,
    ),
    Metric("AP50", "AP50", boxes=BoxAverage("coco", 10, (0,)), margin=1.0),
    Metric("AP75", "AP75", boxes=BoxAverage("coco", 10, (5,)), margin=1.0),
    Metric("pixAcc", "pixAcc", evaluator="SegMetric", masks=True),
    Metric("mIoU", "mIoU", evaluator="SegMetric", class_label="IoU", masks=True),
    Metric("mAcc", "mAcc", masks=True),
)
METRICS = {row.name: row for row in _ROWS}


def metric_of(name: str) -> Metric:
    """Return a metric's row; for an unknown metric, a row with its name as the label."""
    return METRICS.get(name) or Metric(name, name)


def label_of(name: str) -> str:
    """Return a metric's name in tables and plots."""
    return metric_of(name).label


def shown_metrics(evaluator: object) -> tuple[str, ...]:
    """Return the metrics of an evaluator that tables show; the last one has values by class."""
    return tuple(row.name for row in _ROWS if row.evaluator and row.evaluator == evaluator)
