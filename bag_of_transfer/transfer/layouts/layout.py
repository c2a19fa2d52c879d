"""The record of a library: how it names a ResNet's tensors, and what its files imply."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from backbones.blocks import a_equals_b
from bag_of_transfer.transfer.layouts.renaming import same_names

__all__ = ["IMAGENET", "Fields", "Images", "Layout", "Refusal", "Rename", "Target", "computes_b"]

Fields = Mapping[str, Any]  # of a card
Rename = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Images:
    """How a library normalises images: mean and std per channel, on 0 to 255, in this order."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channel_order: str

    def fields(self) -> dict[str, Any]:
        """Return the fields of a card."""
        return {**asdict(self), "mean": [*self.mean], "std": [*self.std]}


# torchvision's ImageNet values, which timm's ResNets, mmpretrain and GluonCV's loader share.
IMAGENET = Images((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "RGB")


@dataclass(frozen=True)
class Refusal:
    """Why a file cannot be converted, and what the user can do about it; parts of an error."""

    what: str
    mend: str


@dataclass(frozen=True)
class Target:
    """How a backbone file of ours is written for a library.

    Args:
        from_ours: Renames our tensors.
        expresses: Whether the library has a network like that of a card.
        range: Which networks it has, in words.
        how_to_load: The call that builds the network of a card.
    """

    from_ours: Rename
    expresses: Callable[[Fields], bool]
    range: str
    how_to_load: Callable[[Fields], str]


@dataclass(frozen=True)
class Layout:
    """One library's way to name the tensors of a ResNet.

    Patterns are regular expressions; names are taken without the prefix of the network.

    Args:
        name: As in ``tools/convert_weights.py --layout``.
        library: As its users call it.
        signature: Is found in a name of this layout, and in no name of a later row of the table.
        differs: What must be renamed, in words; empty if the names are ours.
        to_ours: Renames a network's tensors.
        first_block: The weight of the first convolution of stage 1.
        network: Start of every name in the network.
        classifier: Start of every name in the classifier; empty if files have none.
        head: A tensor beside the network that identifies a file with a 7x7 stem.
        extra: A whole name that files hold and the library's network lacks.
        images: What the networks read.
        plain_variant: Which of A and B networks of a 7x7 stem are; the tensors are alike.
        plain_names: Whether a network of a 7x7 stem may be named as in our layout.
        flat_names: Why a file cannot be read whose names have no dots; None if it can.
        unclear: What names of a 7x7 stem without a head leave open; None if nothing.
        network_like: Builds the library's network that computes what ours does, with random
            weights and without classifier; None if it cannot express it or is not installed.
        for_network: Renames a file's tensors as ``network_like`` calls them.
        target: How to write files for the library; None if they are only read.
    """

    name: str
    library: str
    signature: str
    differs: str
    to_ours: Rename = same_names
    first_block: str = "layer1.0.conv1.weight"
    network: str = r"(stem|conv1|bn1|layer\d+)[._]"
    classifier: str = r"fc\."
    head: str | None = None
    extra: str = r"(?!)"
    images: Images = IMAGENET
    plain_variant: str = "B"
    plain_names: bool = True
    flat_names: Refusal | None = None
    unclear: Refusal | None = None
    network_like: Callable[[Fields], nn.Module | None] = lambda fields: None
    for_network: Rename = same_names
    target: Target | None = None


def computes_b(fields: Fields) -> bool:
    """Return whether a card's network computes what ResNet-B does."""
    return fields["variant"] == "B" or (fields["variant"] == "A" and a_equals_b(fields["depth"]))
