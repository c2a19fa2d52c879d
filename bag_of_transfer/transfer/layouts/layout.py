"""The record of a library: how it names a ResNet's tensors, and how it normalises images."""

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
    """How a library normalises images: mean and std per channel, in order, on 0 to 255."""

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
    """Parts of an error: why a file cannot be converted, and what the user can do about it."""

    what: str
    mend: str


@dataclass(frozen=True)
class Target:
    """How to write a backbone file of ours for a library.

    Args:
        from_ours: Renames our tensors.
        expresses: Returns whether the library has a network like that of a card.
        range: The networks that the library has, in words.
        how_to_load: Returns the call that builds the network of a card, in words.
    """

    from_ours: Rename
    expresses: Callable[[Fields], bool]
    range: str
    how_to_load: Callable[[Fields], str]


@dataclass(frozen=True)
class Layout:
    """One library's way to name the tensors of a ResNet.

    Patterns are regular expressions for names without the prefix of the network.

    Args:
        name: The name of the layout, as in ``tools/convert_weights.py --layout``.
        library: The usual name of the library.
        signature: Pattern that occurs in some name of this layout, and in no name of the layouts
            that follow in the table.
        differs: The names that differ from ours, in words; empty if none does.
        to_ours: Renames a network's tensors.
        first_block: Name of the first convolution's weight in stage 1.
        network: Pattern for the start of all names in the network.
        classifier: Pattern for the start of all names in the classifier; empty if files have none.
        head: Name of a tensor outside the network that identifies a file with a 7x7 stem.
        extra: Pattern for names that files hold but the library's network lacks.
        images: How the networks' images are normalised.
        plain_variant: Variant of networks with a 7x7 stem, A or B, whose tensors are alike.
        plain_names: Whether a network with a 7x7 stem may have the names of our layout.
        flat_names: The error for a file whose names have no dots; None if it can be read.
        unclear: The error for a file with a 7x7 stem and no head; None if it is clear.
        network_like: Builds the library's network that computes the same as a card's, with random
            weights and without classifier; returns None if the library has no such network or is
            not installed.
        for_network: Renames a file's tensors for the network of ``network_like``.
        target: How to write files for the library; None if they can only be read.
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
    """Return whether a card's network computes the same as a ResNet-B."""
    return fields["variant"] == "B" or (fields["variant"] == "A" and a_equals_b(fields["depth"]))
