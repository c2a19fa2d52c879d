"""Boxes and detections that are drawn: as many as COCO's val2017 has, without any image."""

from pathlib import Path

import numpy as np
from numpy import ndarray

from bag_of_transfer.detection.annotations import AnnotatedImage, Box
from bag_of_transfer.detection.coco_truth import CocoTruth
from bag_of_transfer.detection.per_image import Detections

__all__ = ["draw_detections", "truth_of"]

SIDE = 640  # pixels of a picture


def _boxes(rng: np.random.Generator, count: int) -> ndarray:
    sides = SIDE * rng.beta(1, 4, (count, 2)) + 4
    corners = rng.uniform(0, 1, (count, 2)) * (SIDE - sides).clip(1)
    return np.hstack([corners, corners + sides]).astype(np.float32)


def draw_detections(
    images: int, classes: int, true: float, found: int, ignored: float = 0.02
) -> list[Detections]:
    """Draw true boxes and detections: a part of them near a true box, most far from all.

    Args:
        images: How many images.
        classes: How many classes; the first ones are the most frequent.
        true: The mean number of true boxes in an image.
        found: The number of detections in each image.
        ignored: The part of the true boxes that are ignored, as crowds or as difficult.
    """
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(2, classes + 2)
    weights /= weights.sum()
    items = []
    for image_id in range(1, images + 1):
        boxes = _boxes(rng, rng.poisson(true))
        labels = rng.choice(classes, len(boxes), p=weights)
        near = np.repeat(boxes, 3, axis=0)[:found]
        near = near + rng.normal(0, 0.08, near.shape) * np.tile(near[:, 2:] - near[:, :2], 2)
        guessed = np.vstack([near, _boxes(rng, found - len(near))]).astype(np.float32)
        of_near = np.repeat(labels, 3)[: len(near)]
        found_labels = np.concatenate([of_near, rng.choice(classes, found - len(near), p=weights)])
        scores = np.concatenate([rng.beta(4, 3, len(near)), rng.beta(1, 6, found - len(near))])
        out = rng.random(len(boxes)) < ignored
        items.append(
            Detections(
                image_id,
                *(guessed, scores.round(3).astype(np.float32), found_labels),
                *(boxes[~out], labels[~out], boxes[out], labels[out]),
            )
        )
    return items


def truth_of(items: list[Detections], classes: tuple[str, ...]) -> CocoTruth:
    """Return the true boxes as CocoFormat would have read them; the ignored ones are crowds."""
    images = []
    for item in items:
        pairs = [(item.true_boxes, item.true_labels, False)]
        pairs.append((item.ignored_boxes, item.ignored_labels, True))
        boxes = [
            Box(classes[label], tuple(map(float, box)), ignore=ignore)
            for group, labels, ignore in pairs
            for box, label in zip(group, labels, strict=True)
        ]
        images.append(AnnotatedImage(item.image_id, Path(), Path(), SIDE, SIDE, tuple(boxes)))
    ids = {name: number for number, name in enumerate(classes, start=1)}
    return CocoTruth(Path("drawn.json"), tuple(images), ids)
