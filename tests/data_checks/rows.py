"""What a row of the table of kinds says, and small changes to files that rows plant."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

START, CONTENT = "at every start", "by its content"

Plant = Callable[[Path], object]


class Row(NamedTuple):
    """A kind of fault: how it is planted, and what is said.

    Args:
        name: What is wrong, as in docs/data_checks.md.
        data: The data that may have it, as in the docs.
        severity: ``error`` or ``warning``.
        when: ``START`` or ``CONTENT``.
        world: The format in which it is planted.
        plant: Plants it; may return changes for the training data's description.
        file: Part of the file, place or detail that is named.
        words: Part of what is said; for ``CONTENT``, the kind.
    """

    name: str
    data: str
    severity: str
    when: str
    world: str
    plant: Plant
    file: str
    words: str


Faults = Mapping[str, tuple[Plant, str, str]]  # name -> plant, file, words


def stops(data: str, world: str, faults: Faults) -> list[Row]:
    """Return kinds that end a run before it starts."""
    return [Row(name, data, "error", START, world, *rest) for name, rest in faults.items()]


def warns(data: str, world: str, faults: Faults) -> list[Row]:
    """Return kinds of which a start warns."""
    return [Row(name, data, "warning", START, world, *rest) for name, rest in faults.items()]


def harms(data: str, world: str, faults: Faults) -> list[Row]:
    """Return kinds of errors that a look at the content finds."""
    return [Row(name, data, "error", CONTENT, world, *rest) for name, rest in faults.items()]


def doubts(data: str, world: str, faults: Faults) -> list[Row]:
    """Return kinds that a look at the content warns of."""
    return [Row(name, data, "warning", CONTENT, world, *rest) for name, rest in faults.items()]


def saved(path: str, change: Callable[[Image.Image], Image.Image], **options: Any) -> Plant:
    """Change a picture and save it in its place."""

    def plant(root: Path) -> None:
        image = Image.open(root / path)
        image.load()
        change(image).save(root / path, **options)

    return plant


def copied(source: str, target: str) -> Plant:
    """Put a copy of a file there."""
    return lambda root: shutil.copy(root / source, root / target)


def cut(path: str, keep: float, fill: bytes = b"") -> Plant:
    """Cut a file, and fill it to its length."""

    def plant(root: Path) -> None:
        data = (root / path).read_bytes()
        part = data[: int(len(data) * keep)]
        (root / path).write_bytes(part + fill * (len(data) - len(part)))

    return plant


def flipped(path: Path) -> None:
    """Flip a bit, and leave size and time of change as they were."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def written(path: str, content: bytes | str) -> Plant:
    data = content.encode() if isinstance(content, str) else content
    return lambda root: (root / path).write_bytes(data)


def removed(path: str) -> Plant:
    return lambda root: (root / path).unlink()


def replaced(path: str, old: str, new: str) -> Plant:
    """Replace the first occurrence of a text."""

    def plant(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new, 1))

    return plant


def in_json(change: Callable[[dict[str, Any]], object], split: str = "train") -> Plant:
    """Change the content of a COCO file in place."""

    def plant(root: Path) -> None:
        path = root / f"annotations/{split}.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return plant


def first_note(**fields: Any) -> Plant:
    """Change fields of the first annotation of a COCO file."""
    return in_json(lambda content: content["annotations"][0].update(fields))


def in_mask(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Plant:
    """Change the labels of a mask."""

    def plant(root: Path) -> None:
        path = root / f"SegmentationClass/{name}.png"
        Image.fromarray(change(np.array(Image.open(path)))).save(path)

    return plant


def both(*plants: Plant) -> Plant:
    def plant(root: Path) -> None:
        for each in plants:
            each(root)

    return plant
