"""The twelve classes: each is a shape with a texture, and one alone does not tell the class.

Six shapes x four textures give 24 pairs; twelve are classes, so that each shape has two
textures and each texture three shapes.  The other twelve pairs are look-alikes: they
appear as clutter and count as background.  The colour is random.
"""

from dataclasses import dataclass
from itertools import product

from bag_of_transfer.demo_world.shapes import OBJECT_SHAPES
from bag_of_transfer.demo_world.textures import TEXTURES

__all__ = ["CLASSES", "CLASS_NAMES", "LOOK_ALIKES", "Kind"]


@dataclass(frozen=True)
class Kind:
    """A pair of shape and texture: a class or a look-alike."""

    shape: str
    texture: str

    @property
    def name(self) -> str:
        """Return the name in folders and annotations, such as ``striped_fish``."""
        return f"{self.texture}_{self.shape}"


# Alphabetical, because ImageFolder and the VOC reader sort: one order everywhere.
CLASSES: tuple[Kind, ...] = tuple(
    sorted(
        (
            Kind("star", "striped"),
            Kind("star", "dotted"),
            Kind("ring", "checked"),
            Kind("ring", "blotched"),
            Kind("cross", "striped"),
            Kind("cross", "checked"),
            Kind("crescent", "dotted"),
            Kind("crescent", "blotched"),
            Kind("fish", "striped"),
            Kind("fish", "blotched"),
            Kind("arrow", "dotted"),
            Kind("arrow", "checked"),
        ),
        key=lambda kind: kind.name,
    )
)
CLASS_NAMES: tuple[str, ...] = tuple(kind.name for kind in CLASSES)
LOOK_ALIKES: tuple[Kind, ...] = tuple(
    kind
    for kind in (Kind(shape, texture) for shape, texture in product(OBJECT_SHAPES, TEXTURES))
    if kind not in CLASSES
)
