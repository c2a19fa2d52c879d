"""The card beside a backbone file: which network it holds and how its images are normalised.

docs/files.md lists the fields.  Fields may be added, but none may change its meaning.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbones.blocks import VARIANTS
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.transfer.card_checks import TIMM, check_fields
from bag_of_transfer.transfer.mismatch import mend_for
from bag_of_transfer.transfer.network_shapes import SIZES, describe
from bag_of_transfer.transfer.norms import has_group_norms
from bag_of_transfer.transfer.tensor_file import read_shapes, read_tensors

__all__ = ["SCHEMA", "SUFFIX", "TIMM", "Card", "card_path", "make_card", "read_card"]

SCHEMA = 1
AGAIN = "the card is damaged: export or convert the file again"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Card:
    """The facts about a backbone that fine-tuning needs.

    Args:
        type: Name in the registry, ``"ResNetA"`` to ``"ResNetD"`` or ``"TimmNetwork"``.
        depth: 18, 26, 34, 50, 101 or 152; None for a TimmNetwork.
        variant: A, B, C or D; timm's name, without a tag, for a TimmNetwork.
        in_channels: Number of channels of the images.
        stem_channels: Number of channels after the stem; None for a TimmNetwork.
        base_channels: Number of channels inside the blocks of stage 1; None for a TimmNetwork.
        tricks: ``tricks.json`` of the pretraining; empty if unknown.
        dataset: Data set of the pretraining.
        metrics: Metrics on that data set, in percent; empty if unknown.
        mean: Per channel, in ``channel_order``, on the 0 to 255 scale.
        std: Per channel, like ``mean``.
        channel_order: ``"RGB"`` or ``"BGR"``, the order that the first convolution reads.
        value_range: Range of the pixels before normalisation.
        seed: Seed of the pretraining; None if unknown.
        epochs: Number of epochs of the pretraining; None if unknown.
        sha256: Hash of the ``.safetensors`` file, in hexadecimal.
        num_tensors: Number of tensors in the file, without ``num_batches_tracked``.
        source: The checkpoint that the file was made from.
        schema: Version of the card's fields.
        options: Arguments of ``timm.create_model`` for a TimmNetwork; None, and not in the card,
            for a ResNet.
        norm: ``type`` (BN or GN), ``eps`` and, of GN, ``num_groups`` of a ResNet's norms; None, and
            not in the card, for BN with an eps of 1e-5, for a TimmNetwork, and in older cards.
    """

    type: str
    depth: int | None
    variant: str
    in_channels: int
    stem_channels: int | None
    base_channels: int | None
    tricks: dict[str, Any]
    dataset: str
    metrics: dict[str, float]
    mean: list[float]
    std: list[float]
    channel_order: str
    value_range: list[float]
    seed: int | None
    epochs: int | None
    sha256: str
    num_tensors: int
    source: str
    schema: int = SCHEMA
    options: dict[str, Any] | None = None
    norm: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ``schema`` first."""
        fields = {"schema": self.schema, **dataclasses.asdict(self)}
        optional = ("options", "norm")
        return {k: value for k, value in fields.items() if k not in optional or value is not None}

    @property
    def title(self) -> str:
        """Return the network's name: ``ResNetD-50``, ``TimmNetwork mobilenetv1_100``."""
        return f"{self.type} {self.variant}" if self.type == TIMM else f"{self.type}-{self.depth}"


def card_path(path: str | Path) -> Path:
    """Return the path of the card of ``OUT.safetensors``: ``OUT.json``."""
    return Path(path).with_suffix(".json")


def read_card(path: str | Path) -> Card:
    """Read the card of a backbone file and check that the two belong together.

    Args:
        path: The ``.safetensors`` file.

    Raises:
        UserError: If file or card is missing or damaged, if the card has another schema or was
            written for another file, or if the shapes of the tensors contradict the card.
    """
    path = Path(path)
    if path.suffix != SUFFIX or not path.is_file() or not card_path(path).is_file():
        hint = mend_for({}, read_tensors(path))  # an error if the file is missing or damaged
        where = card_path(path) if path.suffix == SUFFIX else path
        raise UserError("no backbone file with a card", where, hint)
    card = _parse(card_path(path))
    digest = sha256_of(path)
    if digest != card.sha256:
        raise UserError(
            f"damaged, or not the card's file (sha256 {digest[:12]}, the card says "
            f"{card.sha256[:12]})",
            path,
            "copy or export file and card again, together",
        )
    _check_tensors(card, path)
    return card


def _check_tensors(card: Card, path: Path) -> None:
    """Compare the card's network with the shapes in the file.

    Files with other names than ours (timm's networks, files for other libraries) are compared
    when they are loaded into a network.
    """
    shapes = read_shapes(path)
    network = describe(shapes)
    if network is None:
        return
    if card.type == TIMM:
        raise _wrong(f"type {TIMM}", network, path)
    differ = [name for name in SIZES if getattr(card, name) != getattr(network, name)]
    if VARIANTS[card.type].letter not in network.variants:
        differ.insert(0, "type")
    if card.norm and (card.norm["type"] == "GN") != has_group_norms(shapes):
        raise _wrong(f"norms of {card.norm['type']}", network, path)
    if differ:
        raise _wrong(", ".join(f"{name} {getattr(card, name)}" for name in differ), network, path)


def _wrong(stated: str, network: object, path: Path) -> UserError:
    return UserError(
        f"the card says {stated}, but the file's tensors are those of {network}",
        card_path(path),
        "the card is wrong: export or convert the file again",
    )


def make_card(fields: Mapping[str, Any], where: object, mend: str) -> Card:
    """Check all fields and return them as a card; unknown fields are left out.

    Args:
        fields: Fields by name, as in the file.
        where: The card's file, or what it is made from, for the error.
        mend: How to get a correct card, for the error.

    Raises:
        UserError: If a field is missing, of a wrong type, or out of its range.
    """
    known = {field.name for field in dataclasses.fields(Card)}
    if fields.get("type") != TIMM:
        known.remove("options")
    if fields.get("type") == TIMM or "norm" not in fields:
        known.remove("norm")
    missing = sorted(known - fields.keys())
    if missing:
        raise UserError(f"the card lacks {', '.join(missing)}", where, mend)
    check_fields(fields, where, mend)
    return Card(**{name: fields[name] for name in known})


def _parse(path: Path) -> Card:
    fields = read_json(path, AGAIN)
    schema = fields.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        shown = repr(schema)[:20]
        raise UserError(f"the card's schema is {shown}, not {SCHEMA}", path, AGAIN)
    return make_card(fields, path, AGAIN)
