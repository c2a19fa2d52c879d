"""What is odd in boxes and masks that reading them does not show."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from bag_of_transfer.data_checks.kinds import Finding, found
from bag_of_transfer.data_checks.look import Look
from bag_of_transfer.data_checks.splits import Example, Split
from bag_of_transfer.engine.mask_reader import IGNORED, labels_of

__all__ = ["odd_boxes", "odd_masks", "unlearned_classes"]

NEARLY_ONE = 0.95  # IoU


def odd_boxes(split: Split) -> Iterator[Finding]:
    """Yield boxes that are drawn twice in an image."""
    for example in split.examples:
        if not example.boxes or len(example.boxes) < 2:
            continue
        boxes = np.array([box.xyxy for box in example.boxes])
        for one, other in np.argwhere(np.triu(_overlaps(boxes) >= NEARLY_ONE, k=1)).tolist():
            yield _pair_of_boxes(split, example, one, other)


def _overlaps(boxes: np.ndarray) -> np.ndarray:
    """Return the IoU of boxes x1 y1 x2 y2 with each other."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = (high - low).clip(0).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    return common / np.maximum(areas[:, None] + areas - common, np.finfo(float).tiny)


def _pair_of_boxes(split: Split, example: Example, one: int, other: int) -> Finding:
    first, second = (example.boxes or ())[one], (example.boxes or ())[other]
    names = [split.classes[box.label] for box in (first, second)]
    place = f"boxes {one + 1} and {other + 1}"
    corners = ", ".join(f"{x:g}" for x in second.xyxy)
    if names[0] != names[1]:
        detail = f"{names[0]} and {names[1]} at one place ({corners})"
        return found("box-two-classes", split.name, example.path, detail, place)
    same = first.xyxy == second.xyxy
    kind = "box-twice" if same else "box-nearly-twice"
    detail = f"two boxes of {names[0]} {'are the same' if same else 'are nearly one'} ({corners})"
    return found(kind, split.name, example.path, detail, place)


def odd_masks(split: Split, looks: Mapping[Path, Look]) -> Iterator[Finding]:
    """Yield masks in which every pixel is ignored."""
    for part in split.parts:
        for index in range(len(part)) if hasattr(part, "get_data_info") else ():
            info = part.get_data_info(index)
            look = looks.get(Path(info.get("seg_map_path") or ""))
            if look is not None and look.values and not _labels(look, info):
                values = ", ".join(map(str, look.values))
                detail = f"every pixel is ignored (values: {values})"
                yield found("ignored-mask", split.name, info["seg_map_path"], detail)


def _labels(look: Look, info: Mapping) -> set[int]:
    """Return the classes that a mask shows, as ``ReadMask`` numbers them."""
    return {*labels_of(np.array(look.values, np.int64), info).tolist()} - {IGNORED}


def unlearned_classes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield classes that have boxes in val or test, but none in train."""
    counts = {split.name: _classes_with_boxes(split) for split in splits}
    for split in splits:
        if "train" not in counts or split.name == "train":
            continue
        for label in sorted(counts[split.name] - counts["train"]):
            detail = f"class {split.classes[label]} has boxes here, but none in train"
            yield found("class-only-judged", split.name, f"{split.name}_dataloader", detail)


def _classes_with_boxes(split: Split) -> set[int]:
    return {box.label for example in split.examples for box in example.boxes or ()}
