"""What an evaluation found out class by class: one record for the three tasks.

A metric's attribute ``details`` holds it after ``evaluate``, on the main process.
Letters: K classes, N images.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import Evaluator
from numpy import ndarray

from bag_of_transfer.engine.atomic import plain, write_text
from bag_of_transfer.engine.run_files import BACKGROUND

__all__ = ["Details", "describe", "details_of", "share", "worst_images", "write_details"]

SCHEMA = 1
NUM_WORST = 12  # pairs of pictures of about 200 kB


@dataclass(frozen=True, eq=False)
class Details:
    """The results of each class, in percent; nan where a class has none.

    Attributes:
        measure: What ``figures`` are: ``AP``, ``IoU`` or ``top-1``.
        counted: What is counted: ``objects``, ``pixels`` or ``images``.
        classes: The K names in the order of the labels.
        figures: The metric of each class [K].
        counts: How many objects, pixels or images of each class there are [K].
        precision: Of what was predicted, how much is right [K].
        recall: Of what is there, how much was found [K].
        confusion: Counts by truth, then by prediction: [K K], or [K+1 K+1] where the last is the
            background (detection).  Empty with more than ``MAX_CONFUSED`` classes.
        image_measure: What ``image_figures`` are.
        image_figures: A figure for each image, the lower the worse [N], in the order in which the
            images were evaluated.
        score: The score that a detection must have to count in precision, recall and confusion.
        curves: The highest precision at a recall of at least 0, 1, ... 100 percent [K 101].
    """

    measure: str
    counted: str
    classes: Sequence[str]
    figures: ndarray
    counts: ndarray
    precision: ndarray
    recall: ndarray
    confusion: ndarray
    image_measure: str
    image_figures: ndarray
    score: float | None = None
    curves: ndarray | None = None


def share(part: ndarray, whole: ndarray) -> ndarray:
    """Return ``part`` in percent of ``whole``, nan where that is 0."""
    whole = np.asarray(whole, dtype=float)
    return 100 * np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def details_of(evaluator: Evaluator | None) -> Details | None:
    """Return what the first metric that knows found out; None if none does."""
    for metric in evaluator.metrics if evaluator else ():
        details = getattr(metric, "details", None)
        if isinstance(details, Details):
            return details
    return None


def worst_images(details: Details) -> list[tuple[int, float]]:
    """Return position and figure of at most ``NUM_WORST`` images, the worst first."""
    order = np.argsort(details.image_figures, kind="stable")  # nan last
    pairs = [(int(index), float(details.image_figures[index])) for index in order[:NUM_WORST]]
    return [(index, figure) for index, figure in pairs if not np.isnan(figure)]


def describe(details: Details, **facts: Any) -> dict[str, Any]:
    """Return the record for ``details.json``, see docs/files.md.

    Args:
        details: What was found out.
        **facts: What else to say of the evaluation: its split, its checkpoint.
    """
    rows = zip(
        details.classes,
        *map(_rounded, (details.figures, details.precision, details.recall)),
        details.counts.tolist(),
        strict=True,
    )
    truth, predicted = np.nonzero(details.confusion)
    counts = details.confusion[truth, predicted]
    background = [BACKGROUND] if len(details.confusion) > len(details.classes) else []
    curves = np.zeros((0, 0)) if details.curves is None else details.curves
    return {
        "schema": SCHEMA,
        **facts,
        "measure": details.measure,
        "counted": details.counted,
        "score": details.score,
        "num_images": len(details.image_figures),
        "num_never_found": int(((details.counts > 0) & (details.recall == 0)).sum()),
        "classes": [
            {"name": name, "figure": figure, "count": count, "precision": right, "recall": found}
            for name, figure, right, found, count in rows
        ],
        "confusion": {
            "names": [*details.classes, *background] if len(details.confusion) else [],
            "counts": np.stack([truth, predicted, counts], axis=1).astype(int).tolist(),
        },
        "curves": {
            name: _rounded(curve)
            for name, curve in zip(details.classes, curves, strict=False)
            if not np.isnan(curve).any()
        },
    }


def write_details(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record of :func:`describe`, each key on a line of its own; NaN becomes null."""
    lines = (f"{json.dumps(key)}: {json.dumps(plain(value))}" for key, value in record.items())
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _rounded(values: Iterable[float]) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 2) for value in values]
