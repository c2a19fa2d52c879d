"""Read one annotation file in Pascal VOC's XML.

It reads ``annotation`` > ``object`` > ``name``, ``bndbox`` (``xmin ymin xmax ymax``),
``difficult`` and ``annotation`` > ``size`` > ``width``, ``height``.  Name spaces and capital
letters in tags do not count.  The box of an object's ``part`` is not an object.  Everything else
is ignored, but a box or an object at another place is an error.
"""

import math
import xml.etree.ElementTree as ET
from functools import lru_cache
from pathlib import Path

from bag_of_transfer.detection.annotations import AnnotatedImage, Box
from bag_of_transfer.engine.data.object_lines import place_of_element
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.plain_files import read_file

__all__ = ["read_xml"]

CORNERS = ("xmin", "ymin", "xmax", "ymax")
NEEDS = "an <object> needs <name> and <bndbox> with <xmin> <ymin> <xmax> <ymax>"
DIFFICULT = {
    "": False,
    "0": False,
    "false": False,
    "no": False,
    "1": True,
    "true": True,
    "yes": True,
}


class _MistakeError(ValueError):
    def __init__(self, what: str, item: ET.Element | None, mend: str = NEEDS) -> None:
        super().__init__(what)
        self.item, self.mend = item, mend


def read_xml(annotation: Path, name: str, image: Path) -> AnnotatedImage:
    """Read one annotation.

    Args:
        annotation: The file.
        name: The image's name in the list of the split.
        image: The image's file.

    Raises:
        UserError: If it is not XML or not VOC's, an object lacks its name or a corner or has
            several, or something other than a number is where a number should be.  The line is
            named.
    """
    data = read_file(annotation)
    try:
        root = _plain_tags(_parsed(data))
        boxes = tuple(_read_object(item, number) for number, item in enumerate(_objects(root)))
        size = _only(root, "size")
        width, height = (_side(size, side) for side in ("width", "height"))
    except _MistakeError as error:
        what = f"the annotation cannot be understood ({error})"
        # Nothing but a parsed element is named.
        number = None if error.item is None else [*root.iter()].index(error.item)
        where = annotation if number is None else place_of_element(annotation, number)
        raise UserError(what, where, error.mend) from error
    except (ET.ParseError, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        what = f"the annotation cannot be understood ({error})"
        raise UserError(what, annotation, "write it again, as XML in UTF-8") from error
    return AnnotatedImage(name, image, annotation, width, height, boxes)


def _parsed(data: bytes) -> ET.Element:
    if any("<!ENTITY".encode(code) in data for code in ("ascii", "utf-16-le", "utf-16-be")):
        raise _MistakeError(
            "it defines entities, which VOC's files do not", None, "write it without"
        )
    return ET.fromstring(data)


def _plain_tags(root: ET.Element) -> ET.Element:
    """Remove name spaces and capital letters from all tags once, so that finding them is fast."""
    for item in root.iter():
        item.tag = _plain(item.tag)
    return root


@lru_cache(maxsize=1000)
def _plain(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


def _only(item: ET.Element, tag: str) -> ET.Element | None:
    children = item.findall(tag)
    if len(children) > 1:
        mend = "write one <object> for each box" if tag == "bndbox" else "keep one of them"
        raise _MistakeError(f"{len(children)} <{tag}> in one <{item.tag}>", children[1], mend)
    return children[0] if children else None


def _objects(root: ET.Element) -> list[ET.Element]:
    """Return the objects, and check that no object or box is at another place."""
    if root.tag != "annotation":
        what = f"the root is <{root.tag}>, not <annotation>"
        mend = "export the annotations in Pascal VOC's format, one file per image"
        raise _MistakeError(what, root, mend)
    objects = root.findall("object")
    read = [item for item in objects for item in (item, *item.findall("part"))]
    inside = {id(box) for item in read for box in item.findall("bndbox")} | set(map(id, objects))
    for item in root.iter():
        if item.tag in ("object", "bndbox") and id(item) not in inside:
            raise _MistakeError(f"there is a <{item.tag}> at a place where none is read", item)
    return objects


def _read_object(item: ET.Element, number: int) -> Box:
    box = _only(item, "bndbox")
    if box is None:
        tags = ", ".join(f"<{child.tag}>" for child in item) or "nothing"
        raise _MistakeError(f"no <bndbox> in an <object>, which has {tags}", item)
    # VOC2011 has a few fractions; mmdet cuts them off.
    x1, y1, x2, y2 = (int(_number(box, corner)) - 1 for corner in CORNERS)
    return Box(_text(item, "name"), (x1, y1, x2, y2), _difficult(item), number=number)


def _text(item: ET.Element, tag: str) -> str:
    child = _only(item, tag)
    text = "" if child is None else (child.text or "").strip()
    if not text:
        prefix = "bndbox/" if tag in CORNERS else ""
        raise _MistakeError(f"no <{prefix}{tag}>", item if child is None else child)
    return text


def _number(item: ET.Element, tag: str) -> float:
    text = _text(item, tag)
    try:
        number = float(text.replace("_", "no digit"))  # Python's float reads 1_0 as 10
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        what = f"<{tag}> is {text[:40]!r}, not a number"
        raise _MistakeError(what, _only(item, tag), "write a number of pixels")
    return number


def _side(size: ET.Element | None, tag: str) -> int:
    """Read the length of the image's side; return 0 where the file does not state it."""
    child = None if size is None else _only(size, tag)
    if size is None or child is None or not (child.text or "").strip():
        return 0
    return int(_number(size, tag))


def _difficult(item: ET.Element) -> bool:
    child = _only(item, "difficult")
    text = "" if child is None else (child.text or "").strip()
    word = text.lower().removesuffix(".0")
    if word not in DIFFICULT:
        what = f"<difficult> is {text[:40]!r}, not 0 or 1"
        raise _MistakeError(what, child, "write 0 or 1 there")
    return DIFFICULT[word]
