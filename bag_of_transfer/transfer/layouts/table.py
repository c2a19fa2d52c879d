"""The table of layouts: to add a library, write one file beside this one and one line here."""

import re

from bag_of_transfer.transfer.layouts.caffe import CAFFE
from bag_of_transfer.transfer.layouts.gluon import GLUON
from bag_of_transfer.transfer.layouts.layout import Layout
from bag_of_transfer.transfer.layouts.mmpretrain import MMDET, MMPRETRAIN
from bag_of_transfer.transfer.layouts.timm import TIMM
from bag_of_transfer.transfer.layouts.torchvision import TORCHVISION

__all__ = ["LAYOUTS", "is_of_classifier", "layout_named"]

# The order matters: a file has the first layout whose signature occurs in it.
LAYOUTS: tuple[Layout, ...] = (GLUON, CAFFE, MMPRETRAIN, TIMM, TORCHVISION, MMDET)

CLASSIFIER = re.compile(
    r"((module|model)\.)?({})".format("|".join(row.classifier for row in LAYOUTS if row.classifier))
)


def layout_named(name: str) -> Layout | None:
    """Return the layout of this name; None if there is none."""
    return next((layout for layout in LAYOUTS if layout.name == name), None)


def is_of_classifier(name: str) -> bool:
    """Return whether a tensor belongs to a classifier of one of the libraries."""
    return CLASSIFIER.match(name) is not None
