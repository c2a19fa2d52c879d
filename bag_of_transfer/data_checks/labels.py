"""What is odd in boxes and masks that reading them does not show."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torchvision.ops import box_iou

from bag_of_transfer.data_checks.counts import Counts
from bag_of_transfer.data_checks.kinds import Finding, found
from bag_of_transfer.data_checks.look import Look
from bag_of_transfer.data_checks.splits import Box, Example, Split
from bag_of_transfer.engine.data.mask_reader import IGNORED
from bag_of_transfer.engine.data.object_lines import lines_of_objects

__all__ = ["boxes_at", "odd_boxes", "odd_masks", "unlearned_classes"]

NEARLY_ONE = 0.95  # IoU
PLACE = "boxes {} and {}"


def odd_boxes(split: Split) -> Iterator[Finding]:
    """Yield boxes that are drawn twice in an image."""
    for example in split.examples:
        if not example.boxes or len(example.boxes) < 2:
            continue
        boxes = torch.tensor([box.xyxy for box in example.boxes], dtype=torch.float64)
        for one, other in (box_iou(boxes, boxes) >= NEARLY_ONE).triu(1).nonzero().tolist():
            yield _pair_of_boxes(split, example, one, other)


def _pair_of_boxes(split: Split, example: Example, one: int, other: int) -> Finding:
    first, second = (example.boxes or ())[one], (example.boxes or ())[other]
    names = [split.classes[box.label] for box in (first, second)]
    file, place = _place(example, one, other)
    corners = ", ".join(f"{x:g}" for x in second.xyxy)
    if names[0] != names[1]:
        detail = f"{names[0]} and {names[1]} at one place ({corners})"
        return found("box-two-classes", split.name, file, detail, place)
    same = first.xyxy == second.xyxy
    kind = "box-twice" if same else "box-nearly-twice"
    detail = f"two boxes of {names[0]} {'are the same' if same else 'are nearly one'} ({corners})"
    return found(kind, split.name, file, detail, place)


def _place(example: Example, *boxes: int) -> tuple[Path, str]:
    """Return the file to mend and the place in it: lines, where each object begins in its own."""
    place = PLACE.format(*(index + 1 for index in boxes))
    file = example.annotation
    lines = lines_of_objects(file, [example.numbers[index] for index in boxes]) if file else []
    if not file or not lines:
        return example.path, place
    return file, f"lines {' and '.join(map(str, lines))} ({place})"


def boxes_at(example: Example, place: str) -> tuple[Box, ...] | None:
    """Return the boxes that a finding of :func:`odd_boxes` names by their place, or None."""
    match = re.search(PLACE.format(r"(\d+)", r"(\d+)"), place)
    return match and tuple((example.boxes or ())[int(number) - 1] for number in match.groups())


def odd_masks(split: Split, looks: Mapping[Path, Look]) -> Iterator[Finding]:
    """Yield masks in which every pixel is ignored."""
    for example in split.examples:
        look = None if example.mask is None else looks.get(example.mask)
        if look is None or not look.values:
            continue
        if {*example.labels(look.values)} == {IGNORED}:
            values = ", ".join(map(str, look.values))
            detail = f"every pixel is ignored (values: {values})"
            yield found("ignored-mask", split.name, example.mask, detail)


def unlearned_classes(counts: Sequence[Counts]) -> Iterator[Finding]:
    """Yield classes that val or test show, but train does not."""
    train = next((each for each in counts if each.split == "train"), None)
    missing = train.never_seen if train else ()
    for judged in counts:
        for here in judged.classes:
            if here.images and here.name in missing:
                detail = f"class {here.name} is in {here.images} images here, but in none of train"
                yield found("class-only-judged", judged.split, f"{judged.split}_dataloader", detail)
