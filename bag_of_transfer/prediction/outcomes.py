"""What is right and wrong in a prediction beside its truth: box by box, and in a sentence."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torchvision.ops import box_area, box_iou

from bag_of_transfer.prediction.results import Boxes, Classes, Mask, Result, percent
from bag_of_transfer.prediction.truth import TrueBoxes, TrueClass, TrueMask, Truth

__all__ = ["EXTRA", "FOUND", "MISSED", "NOT_COUNTED", "WRONG", "BoxOutcomes", "judge", "mistakes"]

MIN_IOU = 0.5
MIN_SHARE_ON = 0.5  # of a box, as COCO's rule for crowds has it at the same IoU
FOUND, MISSED, WRONG, EXTRA, NOT_COUNTED = "found", "missed", "wrong class", "extra", "not counted"
MAX_NAMED = 3  # classes or pairs in a sentence
MIN_SHARE = 0.005  # of an image; smaller mistakes are not named


@dataclass(frozen=True, eq=False)
class BoxOutcomes:
    """What became of each object and each box: one of the five words above.

    Attributes:
        true: FOUND, MISSED, WRONG or NOT_COUNTED for each object.
        predicted: FOUND, WRONG, EXTRA or NOT_COUNTED for each box.
        swapped: Truth and prediction of each box of a wrong class.
    """

    true: list[str]
    predicted: list[str]
    swapped: list[tuple[str, str]]


def judge(result: Boxes, truth: TrueBoxes) -> BoxOutcomes:
    """Match boxes, the highest score first, to objects of their class at an IoU of at least 0.5.

    Of what is left, a box on an object of another class has the wrong class, the largest IoU
    first.  A box is extra if it lies on no object, or on one that has been found already.
    Difficult objects and crowds do not count, and neither do boxes of which half or more lies on
    them: of a crowd, one of its objects is a small part.

    Args:
        result: The boxes that count.
        truth: The objects.
    """
    ours, theirs = (
        torch.as_tensor(np.reshape(x.boxes_xyxy, (-1, 4))).double() for x in (result, truth)
    )
    ious = box_iou(ours, theirs).numpy()
    ious[ious < MIN_IOU] = 0
    lies_on = _shares(ours, theirs).numpy() >= MIN_SHARE_ON
    ignored = np.array(truth.ignored, dtype=bool)
    same = np.array(result.names, dtype=object)[:, None] == np.array(truth.names, dtype=object)
    of_true = [NOT_COUNTED if each else MISSED for each in truth.ignored]
    of_boxes = [EXTRA] * len(result.names)
    free = ious * ~ignored
    for number in range(len(of_boxes)):
        overlap = free[number] * same[number]
        if overlap.any():
            place = int(overlap.argmax())
            of_boxes[number] = of_true[place] = FOUND
            free[number], free[:, place] = 0, 0
        elif (lies_on[number] & same[number] & ignored).any():
            of_boxes[number], free[number] = NOT_COUNTED, 0
    swapped = []
    free[same] = 0
    while free.any():
        number, place = np.unravel_index(free.argmax(), free.shape)
        of_boxes[number] = of_true[place] = WRONG
        swapped.append((truth.names[place], result.names[number]))
        free[number], free[:, place] = 0, 0
    return BoxOutcomes(of_true, of_boxes, swapped)


def _shares(boxes: torch.Tensor, objects: torch.Tensor) -> torch.Tensor:
    """Return the share of each box that lies on each object; 0 of a box without an area."""
    low = torch.maximum(boxes[:, None, :2], objects[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], objects[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    return (shared / box_area(boxes)[:, None]).nan_to_num(nan=0.0)


def mistakes(result: Result, truth: Truth, min_score: float) -> str:
    """Return in words what is wrong in a prediction; "nothing" if nothing is.

    Args:
        result: The prediction.
        truth: What the annotation says, of the same task.
        min_score: Boxes with a lower score do not count.
    """
    if isinstance(result, Boxes) and isinstance(truth, TrueBoxes):
        parts = _wrong_boxes(result.above(min_score), truth)
    elif isinstance(result, Mask) and isinstance(truth, TrueMask):
        parts = _wrong_pixels(result, truth)
    elif isinstance(result, Classes) and isinstance(truth, TrueClass):
        parts = _wrong_class(result, truth)
    else:
        parts = []
    return "; ".join(parts) or "nothing"


def _wrong_boxes(result: Boxes, truth: TrueBoxes) -> list[str]:
    outcomes = judge(result, truth)
    missed = _names(truth.names, outcomes.true, MISSED)
    extra = _names(result.names, outcomes.predicted, EXTRA)
    swapped = [f"{true} taken for {predicted}" for true, predicted in outcomes.swapped]
    named = (("missed", missed), ("wrong class", swapped), ("extra", extra))
    return [f"{len(names)} {what}: {_listed(names)}" for what, names in named if names]


def _names(names: Sequence[str], outcomes: Sequence[str], chosen: str) -> list[str]:
    return [name for name, outcome in zip(names, outcomes, strict=True) if outcome == chosen]


def _listed(names: Sequence[str]) -> str:
    counts = Counter(names).most_common()
    words = [name if count == 1 else f"{count} x {name}" for name, count in counts[:MAX_NAMED]]
    return ", ".join([*words, *(["..."] if len(counts) > MAX_NAMED else [])])


def _wrong_pixels(result: Mask, truth: TrueMask) -> list[str]:
    size = len(result.classes)
    true, predicted = truth.mask.astype(np.int64), result.mask.astype(np.int64)
    counted = (true >= 0) & (true < size) & (true != predicted)
    pairs, counts = np.unique(true[counted] * size + predicted[counted], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MAX_NAMED]
    return [
        f"{percent(counts[i] / true.size)} of the image is {result.classes[pairs[i] // size]}, "
        f"taken for {result.classes[pairs[i] % size]}"
        for i in order
        if counts[i] >= MIN_SHARE * true.size
    ]


def _wrong_class(result: Classes, truth: TrueClass) -> list[str]:
    (name, score), *_ = result.top(1)
    if name == truth.name:
        return []
    own = float(result.scores[result.classes.index(truth.name)])
    return [f"{truth.name} taken for {name} at {score:.2f}, {truth.name} has {own:.2f}"]
