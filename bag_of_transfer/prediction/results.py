"""The prediction for one image: its numbers, its picture, its record for JSON."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bag_of_transfer.engine.data.image_reader import FORMATS, read_image
from bag_of_transfer.engine.tasks import ResultKind
from bag_of_transfer.prediction import drawing
from bag_of_transfer.prediction.colours import class_colours

__all__ = ["MIN_SCORE", "NUM_TOP", "RESULTS", "Boxes", "Classes", "Mask", "Result", "percent"]

MIN_SCORE = 0.3  # boxes with lower scores would cover the picture
NUM_TOP = 5

Facts = tuple[Path, tuple[int, int], tuple[str, ...], bool]  # the attributes of every result


# Compared by identity: comparing arrays gives no single answer.
@dataclass(frozen=True, eq=False)
class Result:
    """What all three tasks share.

    Attributes:
        path: The image.
        size: Its width and height in pixels, upright unless the config ignores Exif rotation.
        classes: Names in label order.
        upright: Whether the image was turned, as its Exif note asks, before the network saw it.
        frame: The pixels of a video's frame, RGB, H x W x 3; None: the image is a file.
    """

    path: Path
    size: tuple[int, int]
    classes: tuple[str, ...]
    upright: bool
    frame: np.ndarray | None = field(default=None, kw_only=True)

    @classmethod
    @abstractmethod
    def of_output(cls, facts: Facts, output: Any) -> "Result":
        """Build the result from what the network's ``test_step`` gives for the image."""

    def image(self) -> Image.Image:
        """Return the image in RGB, as the network saw it before any resizing; a file is read."""
        if self.frame is not None:
            return Image.fromarray(self.frame)
        if self.upright:
            return read_image(self.path)
        with Image.open(self.path, formats=FORMATS) as image:
            return image.convert("RGB")

    @abstractmethod
    def draw(self) -> Image.Image:
        """Draw the prediction on the image."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Return the prediction as values for JSON."""


@dataclass(frozen=True, eq=False)
class Classes(Result):
    """A classifier's answer: ``scores``, one probability per class (they sum to 1)."""

    scores: np.ndarray

    @classmethod
    def of_output(cls, facts: Facts, output: Any) -> "Classes":
        """Return the result with the scores of a classifier's output."""
        return cls(*facts, _array(output["scores"]))

    def top(self, num: int = NUM_TOP) -> list[tuple[str, float]]:
        """Return the ``num`` likeliest classes with their probabilities, the likeliest first."""
        order = np.argsort(-self.scores, kind="stable")[:num]
        return [(self.classes[label], float(self.scores[label])) for label in order]

    def draw(self, num: int = NUM_TOP) -> Image.Image:
        """Write the likeliest classes below the image."""
        return drawing.with_lines(drawing.enlarged(self.image())[0], self.lines(num))

    def lines(self, num: int = NUM_TOP) -> list[str]:
        """Return the likeliest classes in words, the likeliest first."""
        return [f"{name} {probability:.2f}" for name, probability in self.top(num)]

    def record(self) -> dict[str, Any]:
        """Return ``top5``: up to five of ``{"name", "probability"}``."""
        return {"top5": [{"name": name, "probability": p} for name, p in self.top()]}


@dataclass(frozen=True, eq=False)
class Boxes(Result):
    """A detector's answer; the box with the highest score comes first.

    Attributes:
        boxes_xyxy: N x 4, in pixels of the image.
        labels: N indices into ``classes``.
        scores: N, in [0, 1].
    """

    boxes_xyxy: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    @classmethod
    def of_output(cls, facts: Facts, output: Any) -> "Boxes":
        """Return the result with the boxes of mmdet's sample, sorted by score."""
        boxes = output.pred_instances
        order = np.argsort(-_array(boxes.scores), kind="stable")
        tensors = (boxes.bboxes, boxes.labels, boxes.scores)
        return cls(*facts, *(_array(tensor)[order] for tensor in tensors))

    @property
    def names(self) -> list[str]:
        """Return the class name of each box."""
        return [self.classes[label] for label in self.labels]

    def above(self, min_score: float) -> "Boxes":
        """Return the same answer with only the boxes that have at least this score."""
        kept = self.scores >= min_score
        boxes_xyxy, labels, scores = self.boxes_xyxy[kept], self.labels[kept], self.scores[kept]
        return replace(self, boxes_xyxy=boxes_xyxy, labels=labels, scores=scores)

    def draw(self, min_score: float = MIN_SCORE) -> Image.Image:
        """Draw the boxes with at least ``min_score``; if there is none, say so below."""
        kept = self.above(min_score)
        picture = drawing.with_boxes(
            self.image(),
            kept.boxes_xyxy,
            kept.labels.tolist(),
            self.classes,
            kept.scores.tolist(),
        )
        if len(kept.scores):
            return picture
        return drawing.with_lines(picture, [f"nothing above {min_score:g}"])

    def record(self) -> dict[str, Any]:
        """Return ``boxes_xyxy`` (pixels), ``names`` and ``scores``, with an entry for each box."""
        boxes_xyxy, scores = self.boxes_xyxy.tolist(), self.scores.tolist()
        return {"boxes_xyxy": boxes_xyxy, "names": self.names, "scores": scores}


@dataclass(frozen=True, eq=False)
class Mask(Result):
    """A segmenter's answer: ``mask``, H x W, a label per pixel of the image."""

    mask: np.ndarray

    @classmethod
    def of_output(cls, facts: Facts, output: Any) -> "Mask":
        """Return the result with the labels of mmseg's sample, in as few bytes as possible."""
        _, _, classes, _ = facts
        kind = np.uint8 if len(classes) <= 256 else np.uint16
        return cls(*facts, _array(output.pred_sem_seg.data[0]).astype(kind))

    def shares(self) -> dict[str, float]:
        """Return the share of the image, in [0, 1], that each class covers, the largest first.

        Classes without a pixel are left out.
        """
        counts = np.bincount(self.mask.ravel(), minlength=len(self.classes))
        order = np.argsort(-counts, kind="stable")
        total = self.mask.size
        return {self.classes[i]: float(counts[i] / total) for i in order if counts[i]}

    def draw(self) -> Image.Image:
        """Blend the classes' colours over the image, with a legend of these classes below."""
        colours = dict(zip(self.classes, class_colours(self.classes), strict=True))
        entries = [(colours[n], f"{n} {percent(share)}") for n, share in self.shares().items()]
        return drawing.with_legend(
            drawing.with_mask(self.image(), self.mask, self.classes), entries
        )

    def record(self) -> dict[str, Any]:
        """Return ``pixel_share``: the share of the image, in [0, 1], by class name."""
        return {"pixel_share": self.shares()}


def percent(share: float) -> str:
    """Return a share of an image in words; a class that occurs is not called 0%."""
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


RESULTS: dict[ResultKind, type[Result]] = {"classes": Classes, "boxes": Boxes, "mask": Mask}


def _array(tensor: Any) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().numpy()
    return array
