"""Whose weights are these, and of which network: told from names and shapes alone.

Source of the layouts: the libraries' own state dicts (timm 1.0, torchvision, mmpretrain 1.x,
mmdet 3.x, detectron2, MXNet files of GluonCV).  How the names are turned into ours is in
``bag_of_transfer.transfer.layouts.renaming``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from backbones import blocks
from backbones.blocks import VARIANTS

__all__ = [
    "Description",
    "Guess",
    "Layout",
    "describe",
    "equivalent_type",
    "prefixes_of",
    "recognise",
    "shapes_of",
]

Shape = tuple[int, ...]


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

# Blocks per stage; three stages suffice to tell the depths apart.
DEPTHS = {
    ("bottleneck" if block is blocks.Bottleneck else "basic", per_stage): depth
    for depth, (block, per_stage) in blocks.DEPTHS.items()
}


@dataclass(frozen=True)
class Guess:
    """Who wrote these names, and what stands before each of them (``backbone.``, say)."""

    layout: Layout
    prefix: str


@dataclass(frozen=True)
class Description:
    """What the shapes say about a network; None where they say nothing.

    ``variants`` holds the letters that fit: A and B have the same shapes.
    """

    variants: tuple[str, ...]
    depth: int | None
    in_channels: int
    stem_channels: int
    base_channels: int
    num_stages: int

    def __str__(self) -> str:
        """Read like ``ResNet-D-50 (stem 64, base 64)``."""
        letters = " or ".join(self.variants)
        depth = self.depth or "of no known depth"
        widths = f"stem {self.stem_channels}, base {self.base_channels}"
        stages = "" if self.num_stages == 4 else f", {self.num_stages} stages"
        return f"ResNet-{letters}-{depth} ({widths}{stages})"


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Keep the names and shapes; leave out ``num_batches_tracked``, which files may lack."""
    return {
        name: tuple(tensor.shape)
        for name, tensor in tensors.items()
        if not name.endswith("num_batches_tracked")
    }


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


def describe(shapes: Mapping[str, Shape]) -> Description | None:
    """Read variant, depth and widths off a backbone in our layout; None if it is none.

    Args:
        shapes: From :func:`shapes_of`, names without prefix.
    """
    stem = next((shapes[key] for key in ("stem.0.weight", "conv1.weight") if key in shapes), None)
    first = shapes.get("layer1.0.conv1.weight")
    if stem is None or first is None:
        return None
    per_stage = _blocks_per_stage(shapes)
    kind = "bottleneck" if "layer1.0.conv3.weight" in shapes else "basic"
    fitting = [
        n for (k, known), n in DEPTHS.items() if k == kind and known[: len(per_stage)] == per_stage
    ]
    return Description(
        variants=_variants(shapes),
        depth=fitting[0] if len(fitting) == 1 else None,
        in_channels=stem[1],
        stem_channels=shapes.get("stem.6.weight", stem)[0],
        base_channels=first[0],
        num_stages=len(per_stage),
    )


def _blocks_per_stage(shapes: Mapping[str, Shape]) -> tuple[int, ...]:
    found = {match[0] for name in shapes if (match := re.match(r"layer\d\.\d+(?=\.)", name))}
    stages = sorted({name.split(".")[0] for name in found})
    return tuple(sum(name.startswith(f"{stage}.") for name in found) for stage in stages)


def _variants(shapes: Mapping[str, Shape]) -> tuple[str, ...]:
    if "stem.0.weight" not in shapes:
        return ("A", "B")
    # In a pooled shortcut the pool is number 0 and the convolution number 1.
    pooled = any(
        name.endswith("downsample.1.weight") and len(shape) == 4 for name, shape in shapes.items()
    )
    return ("D",) if pooled else ("C",)


def equivalent_type(backbone: Mapping[str, Any]) -> str | None:
    """Name our class that computes what a backbone's config asks for; None if there is none.

    Args:
        backbone: Config with one of our types, or with mmdet's or mmseg's ResNets.
    """
    kind = str(backbone.get("type", "")).split(".")[-1]
    if kind in VARIANTS:
        return kind
    if kind in ("ResNetV1c", "ResNetV1d"):
        return f"ResNet{kind[-1].upper()}"
    if kind != "ResNet":
        return None
    if backbone.get("deep_stem"):
        return "ResNetD" if backbone.get("avg_down") else "ResNetC"
    # mm*'s style="caffe": the stride lies in a bottleneck's first 1x1.
    return "ResNetA" if backbone.get("style") == "caffe" else "ResNetB"
