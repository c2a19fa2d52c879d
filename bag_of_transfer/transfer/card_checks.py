"""Check the value of each field of a card: one wrong field makes a wrong network."""

import re
from collections.abc import Mapping
from typing import Any

from backbones.blocks import DEPTHS, VARIANTS
from bag_of_transfer.engine.config.described import names_a_place
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.fields import (
    ANYTHING,
    COUNT,
    COUNT_OR_0,
    NOT_NEGATIVE,
    NUMBER,
    NUMBERS,
    POSITIVE,
    SHA256,
    Rule,
    by_name,
    fields,
    list_of,
    one_of,
    optional,
)

__all__ = ["MAX_CHANNELS", "TIMM", "check_fields"]

TIMM = "TimmNetwork"
MAX_CHANNELS = 65_536  # 16 times as many as the widest ResNet has; more must be a mistake


def check_fields(record: Mapping[str, Any], where: object, mend: str) -> None:
    """Check the value of every field, and that the fields about images fit together.

    Args:
        record: All fields of a card.
        where: The card, for the error.
        mend: How to get a correct card, for the error.

    Raises:
        UserError: If a field is missing, has a wrong type or is out of its range.
    """
    wrong = (TIMM_CARD if record.get("type") == TIMM else CARD).first_wrong(record)
    if wrong:
        raise UserError(without_colons(f"the card's {wrong}"), where, mend)
    if not len(record["mean"]) == len(record["std"]) == record["in_channels"]:
        raise UserError("the card's mean, std and in_channels disagree", where, mend)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and all(letter.isprintable() for letter in value)


def _is_range(value: Any) -> bool:
    return NUMBERS.keeps(value) and list(value) == [0, 255]


def _is_variant(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w.\-]+", value) is not None


def _are_options(value: Any) -> bool:
    """Return whether arguments for timm are plain values that name no file to read or fetch."""
    if not isinstance(value, dict) or any(not name.isidentifier() for name in value):
        return False
    return not any(names_a_place(name, option) for name, option in value.items())


def _is_norm(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is None
    keys = {"type", "eps"} if value.get("type") == "BN" else {"type", "eps", "num_groups"}
    has_keys = value.get("type") in ("BN", "GN") and value.keys() == keys
    groups = value.get("num_groups", 1)
    return has_keys and NOT_NEGATIVE.keeps(value["eps"]) and COUNT.keeps(groups)


LINE = Rule(_is_text, "a text of one line")
CHANNELS = Rule(
    lambda v: COUNT.holds(v) and v <= MAX_CHANNELS, f"a whole number from 1 to {MAX_CHANNELS}"
)
NONE = Rule(lambda v: v is None, "null")
FIELDS = {
    "type": one_of(*VARIANTS, TIMM),
    "depth": one_of(*DEPTHS),
    "variant": one_of(*(variant.letter for variant in VARIANTS.values())),
    "in_channels": CHANNELS,
    "stem_channels": CHANNELS,
    "base_channels": CHANNELS,
    "tricks": by_name(by_name(ANYTHING)),
    "dataset": LINE,
    "metrics": by_name(NUMBER),
    "mean": NUMBERS,
    "std": list_of(POSITIVE),
    "channel_order": one_of("RGB", "BGR"),
    "value_range": Rule(_is_range, "[0, 255], the range of mean and std"),
    "seed": optional(COUNT_OR_0),
    "epochs": optional(COUNT_OR_0),
    "sha256": SHA256,
    "num_tensors": COUNT,
    "source": LINE,
    "norm": Rule(_is_norm, "BN with eps, or GN with eps and num_groups", required=False),
}
TIMM_FIELDS = {
    **dict.fromkeys(("depth", "stem_channels", "base_channels"), NONE),
    "variant": Rule(_is_variant, "a network's name"),
    "options": Rule(_are_options, "an object of plain values that name no file"),
}
CARD, TIMM_CARD = fields(FIELDS), fields(FIELDS | TIMM_FIELDS)
