"""Whose weights are these?  The names of the tensors tell.

Source of the layouts: the libraries' own state dicts (timm 1.0, torchvision, mmpretrain 1.x,
mmdet 3.x, detectron2, MXNet files of GluonCV).  How the names are turned into ours is in
``bag_of_transfer.transfer.layouts.renaming``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Guess", "Layout", "prefixes_of", "recognise"]


@dataclass(frozen=True)
class Layout:
    """One library's way to name the tensors of a ResNet.

    Args:
        name: As in ``tools/convert_weights.py --layout``.
        signature: A name that fits this pattern occurs in this layout and in no later one of
            ``LAYOUTS``.
        differs: What a reader must rename, in words.
    """

    name: str
    signature: str
    differs: str


# The first whose signature occurs is it: order matters.
LAYOUTS = (
    Layout("gluon", r"(\.|_)(gamma|beta)$", "gamma and beta for weight and bias"),
    Layout("caffe", r"^res2[._a]|\.norm\.weight$", "res2 to res5 for layer1 to layer4"),
    Layout(
        "mmpretrain", r"^stem\.\d\.(conv|bn)\.", "stem.0.conv for stem.0, another layer1 shortcut"
    ),
    Layout("timm", r"^conv1\.\d\.", "conv1.0, conv1.3, conv1.6 and bn1 for the stem"),
    # From here on names agree with ours but for the classifier, where there is one.
    Layout("torchvision", r"^fc\.", "the classifier fc beside the backbone"),
    Layout("mmdet", r"^(stem|layer\d)\.|^conv1\.weight$", "nothing"),
)

# Where a network is found inside a larger one, whatever the prefix says.
FIRST_BLOCK = re.compile(r"(?s)(^|.*?\.)(layer1\.0\.conv1\.weight|res2\.0\.conv1\.weight)$")


@dataclass(frozen=True)
class Guess:
    """Who wrote these names, and what stands before each of them (``backbone.``, say)."""

    layout: Layout
    prefix: str


def recognise(names: Iterable[str], prefix: str | None = None) -> Guess | None:
    """Guess layout and prefix from tensor names; None if no ResNet is among them.

    Args:
        names: Of tensors.
        prefix: One of :func:`prefixes_of`; None for the first of them.
    """
    names = list(names)
    if prefix is None:
        # A classifier may carry its teacher beside its backbone.
        found = prefixes_of(names)
        prefix = min(found, key=lambda one: ("backbone." not in one, len(one), one), default="")
    inside = [name[len(prefix) :] for name in names if name.startswith(prefix)]
    for layout in LAYOUTS:
        if any(re.search(layout.signature, name) for name in inside):
            return Guess(layout, prefix)
    return None


def prefixes_of(names: Iterable[str]) -> list[str]:
    """List what stands before the names of each ResNet, sorted; a file may hold several."""
    return sorted({match[1] for name in names if (match := FIRST_BLOCK.match(name))})
