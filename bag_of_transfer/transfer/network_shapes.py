"""Read variant, depth and widths of a ResNet from the names and shapes of its tensors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from backbones import blocks
from bag_of_transfer.transfer.layouts.renaming import Shape, is_pooled

__all__ = ["DEPTHS", "SIZES", "WIDTHS", "Description", "describe", "is_counter", "shapes_of"]

# Depth by kind of block and blocks per stage; three stages are enough to distinguish depths.
DEPTHS = {
    ("bottleneck" if block is blocks.Bottleneck else "basic", per_stage): depth
    for depth, (block, per_stage) in blocks.DEPTHS.items()
}


WIDTHS = ("in_channels", "stem_channels", "base_channels")
SIZES = ("depth", *WIDTHS)  # what a card says of a ResNet and its shapes show


@dataclass(frozen=True)
class Description:
    """A ResNet as its shapes describe it; None for what the shapes do not show.

    ``variants`` holds the letters of all variants that fit: A and B have the same shapes.
    """

    variants: tuple[str, ...]
    depth: int | None
    in_channels: int
    stem_channels: int
    base_channels: int
    num_stages: int

    @property
    def sizes(self) -> dict[str, int | None]:
        """Return depth and widths under the names of a card."""
        return {name: getattr(self, name) for name in SIZES}

    def __str__(self) -> str:
        """Return text like ``ResNet-D-50 (stem 64, base 64)``."""
        letters = " or ".join(self.variants)
        depth = self.depth or "of unknown depth"
        widths = f"stem {self.stem_channels}, base {self.base_channels}"
        stages = "" if self.num_stages == 4 else f", {self.num_stages} stages"
        return f"ResNet-{letters}-{depth} ({widths}{stages})"


def is_counter(name: str) -> bool:
    """Return whether a tensor only counts a batch norm's batches; files may lack it."""
    return name.endswith("num_batches_tracked")


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Return the shape of each tensor by name, without counters of batches."""
    return {name: tuple(t.shape) for name, t in tensors.items() if not is_counter(name)}


def describe(shapes: Mapping[str, Shape]) -> Description | None:
    """Return variant, depth and widths of a backbone in our layout; None for other tensors.

    Args:
        shapes: From :func:`shapes_of`, under names without prefix.
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
    names = {match[0] for name in shapes if (match := re.match(r"layer\d\.\d+(?=\.)", name))}
    stages = sorted({name.split(".")[0] for name in names})
    return tuple(sum(name.startswith(f"{stage}.") for name in names) for stage in stages)


def _variants(shapes: Mapping[str, Shape]) -> tuple[str, ...]:
    if "stem.0.weight" not in shapes:
        return ("A", "B")
    return ("D",) if is_pooled(shapes) else ("C",)
