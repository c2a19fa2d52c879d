"""What became of each object and each box, and what is said of it."""

from pathlib import Path

import numpy as np
import pytest

from bag_of_transfer.prediction.outcomes import judge, mistakes
from bag_of_transfer.prediction.results import Boxes, Classes, Mask
from bag_of_transfer.prediction.truth import TrueBoxes, TrueClass, TrueMask

CLASSES = ("background", "cat", "dog")
A, B, C, FAR = (0, 0, 10, 20), (30, 0, 40, 20), (60, 0, 70, 20), (90, 0, 99, 20)
NEAR_A = (0, 3, 10, 20)  # IoU 0.85 with A


def boxes(*drawn: tuple[tuple[int, ...], str]) -> Boxes:
    corners = np.array([box for box, _ in drawn], float).reshape(-1, 4)
    labels = np.array([CLASSES.index(name) for _, name in drawn], int)
    scores = np.linspace(0.9, 0.5, len(drawn))
    return Boxes(Path("a.png"), (99, 20), CLASSES, True, corners, labels, scores)


def objects(*drawn: tuple[tuple[int, ...], str], ignored: int = 0) -> TrueBoxes:
    corners = np.array([box for box, _ in drawn], float).reshape(-1, 4)
    flags = [number >= len(drawn) - ignored for number in range(len(drawn))]
    return TrueBoxes(corners, [name for _, name in drawn], flags)


@pytest.mark.parametrize(
    ("result", "truth", "of_true", "of_boxes"),
    [
        (boxes(), objects(), [], []),
        (boxes(), objects((A, "cat")), ["missed"], []),
        (boxes((A, "cat")), objects(), [], ["extra"]),
        # The second box on one object is extra, be it the better one.
        (boxes((NEAR_A, "cat"), (A, "cat")), objects((A, "cat")), ["found"], ["found", "extra"]),
        (boxes((A, "dog")), objects((A, "cat")), ["wrong class"], ["wrong class"]),
        # An object that was found is not of a wrong class, too.
        (
            boxes((A, "dog"), (A, "cat"), (FAR, "cat")),
            objects((A, "cat"), (B, "dog")),
            ["found", "missed"],
            ["extra", "found", "extra"],
        ),
        # What need not be found may be found, as often as one likes.
        (
            boxes((A, "cat"), (NEAR_A, "cat"), (A, "dog")),
            objects((C, "dog"), (A, "cat"), ignored=1),
            ["missed", "not counted"],
            ["not counted", "not counted", "extra"],
        ),
        # A crowd is larger than each of its objects; the last box lies on it by less than half.
        (
            boxes((A, "cat"), ((12, 0, 20, 9), "cat"), (B, "dog"), ((38, 0, 44, 20), "cat")),
            objects(((0, 0, 40, 20), "cat"), ignored=1),
            ["not counted"],
            ["not counted", "not counted", "extra", "extra"],
        ),
        # Of a box without an area nothing lies anywhere.
        (
            boxes(((5, 5, 5, 5), "cat")),
            objects(((0, 0, 40, 20), "cat"), ignored=1),
            ["not counted"],
            ["extra"],
        ),
    ],
)
def test_each_object_and_each_box_has_one_outcome(
    result: Boxes, truth: TrueBoxes, of_true: list[str], of_boxes: list[str]
) -> None:
    outcomes = judge(result, truth)
    assert (outcomes.true, outcomes.predicted) == (of_true, of_boxes)


def test_what_is_wrong_with_boxes_is_said_with_their_names() -> None:
    truth = objects((A, "cat"), (B, "dog"), (C, "dog"))
    result = boxes((A, "dog"), (FAR, "cat"), (FAR, "cat"), (B, "dog"))
    said = mistakes(result, truth, 0.6)
    assert said == "2 missed: 2 x dog; 1 wrong class: cat taken for dog; 2 extra: 2 x cat"
    assert mistakes(boxes((A, "cat")), objects((A, "cat")), 0.5) == "nothing"


def test_what_is_wrong_with_pixels_is_said_in_shares_of_the_image() -> None:
    true, predicted = np.zeros((10, 20), int), np.zeros((10, 20), np.uint8)
    true[:, :10], predicted[:5] = 1, 2
    true[0, 0] = 255  # not labelled
    result = Mask(Path("a.png"), (20, 10), CLASSES, True, predicted)
    assert mistakes(result, TrueMask(true), 0.0) == (
        "25% of the image is background, taken for dog; "
        "25% of the image is cat, taken for background; 24% of the image is cat, taken for dog"
    )


def test_what_is_wrong_with_a_class_is_said_with_both_probabilities() -> None:
    result = Classes(Path("a.png"), (9, 9), CLASSES, True, np.array([0.1, 0.2, 0.7]))
    said = "cat taken for dog at 0.70, cat has 0.20"
    assert mistakes(result, TrueClass("cat"), 0.0) == said
    assert mistakes(result, TrueClass("dog"), 0.0) == "nothing"
