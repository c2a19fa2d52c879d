"""The truth of a picture: boxes in VOC's format, and masks.

A box is tight around the visible part of an object, counted from 1, both ends included.
An object of which less than 30 % is visible is marked difficult (VOC) and 255 in a mask;
one with fewer than 16 visible pixels has no box.
"""

import numpy as np
from numpy.typing import NDArray

from bag_of_transfer.demo_world.classes import CLASS_NAMES
from bag_of_transfer.demo_world.scene import Picture, Seen
from bag_of_transfer.demo_world.shapes import Mask

__all__ = ["IGNORED", "boxes_xml", "label_mask", "tight_box"]

IGNORED = 255  # VOC's "don't know"
_DIFFICULT_PERCENT = 30
_WHOLE_PERCENT = 95
_FEWEST_PIXELS = 16

_OBJECT = """\t<object>
\t\t<name>{name}</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>{truncated:d}</truncated>
\t\t<difficult>{difficult:d}</difficult>
\t\t<bndbox>
\t\t\t<xmin>{box[0]}</xmin>
\t\t\t<ymin>{box[1]}</ymin>
\t\t\t<xmax>{box[2]}</xmax>
\t\t\t<ymax>{box[3]}</ymax>
\t\t</bndbox>
\t</object>
"""
_PICTURE = """<annotation>
\t<folder>detection</folder>
\t<filename>{name}.png</filename>
\t<source>
\t\t<database>demo_world</database>
\t</source>
\t<size>
\t\t<width>{width}</width>
\t\t<height>{height}</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
{objects}</annotation>
"""


def tight_box(mask: Mask) -> tuple[int, int, int, int]:
    """Return xmin, ymin, xmax, ymax of the True pixels, from 1, both ends included."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return int(columns[0]) + 1, int(rows[0]) + 1, int(columns[-1]) + 1, int(rows[-1]) + 1


def boxes_xml(picture: Picture, name: str) -> str:
    """Return the annotation of picture ``name`` as VOC's XML."""
    height, width, _ = picture.rgb.shape
    objects = "".join(_object_xml(seen) for seen in picture.objects if _has_box(seen))
    return _PICTURE.format(name=name, width=width, height=height, objects=objects)


def _has_box(seen: Seen) -> bool:
    return int(seen.mask.sum()) >= _FEWEST_PIXELS


def _object_xml(seen: Seen) -> str:
    return _OBJECT.format(
        name=CLASS_NAMES[seen.label],
        truncated=seen.visible_percent < _WHOLE_PERCENT,
        difficult=seen.visible_percent < _DIFFICULT_PERCENT,
        box=tight_box(seen.mask),
    )


def label_mask(picture: Picture) -> NDArray[np.uint8]:
    """Return labels H W: 0 background, 1 to K the classes, 255 hardly visible objects."""
    labels = np.zeros(picture.rgb.shape[:2], np.uint8)
    for seen in picture.objects:
        hidden = seen.visible_percent < _DIFFICULT_PERCENT
        labels[seen.mask] = IGNORED if hidden else seen.label + 1
    return labels
