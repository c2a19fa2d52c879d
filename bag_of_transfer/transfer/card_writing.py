"""Write a file of weights and its card; after a failure, the older files are still there."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from bag_of_transfer.engine.atomic import replacing, write_json
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.transfer.backbone_card import (
    SCHEMA,
    SUFFIX,
    Card,
    card_path,
    make_card,
    read_card,
)

__all__ = ["check_target", "write_with_card"]


def check_target(out: Path, force: bool) -> None:
    """Check, before any work, that ``out`` and its card can be written.

    Raises:
        UserError: If the name does not end in ``.safetensors``.
        RefusedError: If one of the two exists and ``force`` is not given.
    """
    if out.suffix != SUFFIX:
        raise UserError("not the name of a backbone file", out, f"use a name that ends in {SUFFIX}")
    for path in (out, card_path(out)):
        if path.exists() and not force:
            raise RefusedError("the file exists", path, "add --force, or choose another name")


def write_with_card(
    out: Path, tensors: Mapping[str, Tensor], fields: Mapping[str, Any], **more: Any
) -> Card:
    """Write ``tensors`` to ``out`` and the card beside it.

    Args:
        out: ``OUT.safetensors``.
        tensors: The tensors, by their names in the file.
        fields: All fields of the card except ``sha256`` and ``num_tensors``.
        more: Further entries of the card's file.

    Raises:
        UserError: If a field of the card has a wrong value.
    """
    data = safetensors.torch.save(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, metadata={"format": "pt"}
    )
    digest = hashlib.sha256(data).hexdigest()
    complete = {"schema": SCHEMA, **fields, "sha256": digest, "num_tensors": len(tensors)}
    card = make_card(complete, card_path(out), "correct the source's description of itself")
    with replacing(card_path(out)) as new_card, replacing(out) as new_file:
        write_json(new_card, {**card.to_dict(), **more})  # must be on the disk before the file is
        new_file.write_bytes(data)
    return read_card(out)
