"""Check and convert the fields of a COCO file, each once, while reading.

JSON allows any type in any field, and the evaluator would fail on a wrong one hours later.
Null counts as missing where a field is optional.
"""

import reprlib
from pathlib import Path
from typing import Any, NamedTuple

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.numbers import is_finite_number

__all__ = ["Entry", "Id", "id_order"]

Id = int | str
# A message says "image 17" for the entry of ``images`` whose id is 17.
SINGULAR = {"images": "image", "annotations": "annotation", "categories": "category"}


class Entry(NamedTuple):
    """One entry of the lists ``images``, ``annotations`` and ``categories``."""

    path: Path  # the file, for messages
    part: str
    place: int  # in the list, from 0
    item: dict[str, Any]

    def __str__(self) -> str:
        """Return for instance ``annotation 17``, or ``annotation`` where it has no id."""
        number = self.item.get("id")
        suffix = f" {reprlib.repr(number)}" if isinstance(number, Id) else ""
        return SINGULAR[self.part] + suffix

    def identity(self, key: str) -> Id:
        """Read an id: a whole number, or text.

        Raises:
            UserError: If it is anything else.
        """
        value = self.item[key]
        if type(value) is int or (isinstance(value, str) and value):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise self.wrong(key, "a whole number or a text")

    def text(self, key: str) -> str:
        """Read a text that is not empty, without white space around it.

        Raises:
            UserError: If it is not a text, or an empty one.
        """
        value = self.item[key]
        if isinstance(value, str) and value.strip():
            return value.strip()
        raise self.wrong(key, "a text that is not empty")

    def file_name(self) -> str:
        """Read the name of an image file, with any white space around it.

        Raises:
            UserError: If it is not a text, or an empty one.
        """
        self.text("file_name")
        return str(self.item["file_name"])

    def flag(self, key: str) -> bool:
        """Read 0, 1, false or true; a missing one is false.

        Raises:
            UserError: If it is anything else.
        """
        value = self.item.get(key)
        if value is None or (isinstance(value, int | float) and value in (0, 1)):
            return bool(value)
        raise self.wrong(key, "0, 1, false or true")

    def pixels(self, key: str) -> int:
        """Read the length of an image's side; return 0 where it is missing.

        Raises:
            UserError: If it is not a whole number, 0 or more.
        """
        value = self.item.get(key)
        if value is None:
            return 0
        if is_finite_number(value) and value >= 0 and value == int(value):
            return int(value)
        raise self.wrong(key, "a whole number, 0 or more")

    def area(self) -> float | None:
        """Read the area of an object in pixels; None where it is missing.

        Raises:
            UserError: If it is not a number, 0 or more.
        """
        value = self.item.get("area")
        if value is None:
            return None
        if is_finite_number(value) and value >= 0:
            return float(value)
        raise self.wrong("area", "a number, 0 or more")

    def box(self) -> tuple[float, float, float, float]:
        """Read x, y, width and height in pixels; a side may be negative here.

        Raises:
            UserError: If they are not four finite numbers.
        """
        value = self.item["bbox"]
        if isinstance(value, list) and len(value) == 4 and all(map(is_finite_number, value)):
            x, y, width, height = map(float, value)
            return x, y, width, height
        raise self.wrong("bbox", "four numbers", "write x, y, width, height in pixels")

    def mask(self) -> Any:
        """Read the segmentation: polygons, or a run-length code; None if there is no segmentation.

        Raises:
            UserError: If it is anything else.
        """
        value = self.item.get("segmentation")
        if isinstance(value, list) and any(is_finite_number(part) for part in value):
            value = [value]  # a single polygon
        if isinstance(value, list | dict | None):
            return value or None
        raise self.wrong("segmentation", "a list of polygons or a run-length code")

    def wrong(self, key: str, wanted: str, mend: str = "mend the entry") -> UserError:
        """Return an error that names the entry, the field and its value."""
        value = reprlib.repr(self.item.get(key))
        return UserError(
            f"{self}: {key} is not {wanted}: {value} ({self.part}[{self.place}])", self.path, mend
        )


def id_order(number: Id) -> tuple[bool, Id]:
    """Return a key that sorts ids: numbers first, then texts."""
    return isinstance(number, str), number
