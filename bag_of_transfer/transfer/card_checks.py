"""Check the value of each field of a card: one wrong field makes a wrong network."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from backbones.blocks import DEPTHS, VARIANTS
from bag_of_transfer.engine.described import names_a_place
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.numbers import is_finite_number, is_whole

__all__ = ["MAX_CHANNELS", "TIMM", "check_fields"]

TIMM = "TimmNetwork"
MAX_CHANNELS = 65_536  # 16 times as many as the widest ResNet has; more must be a mistake
MAX_SHOWN = 80  # characters of a wrong value


def check_fields(fields: Mapping[str, Any], where: object, mend: str) -> None:
    """Check the value of every field, and that the fields about images fit together.

    Args:
        fields: All fields of a card.
        where: The card, for the error.
        mend: How to get a correct card, for the error.

    Raises:
        UserError: If a field has a wrong type or is out of its range.
    """
    for name, valid in (CHECKS | (TIMM_CHECKS if fields["type"] == TIMM else {})).items():
        if not valid(fields[name]):
            shown = without_colons(repr(fields[name])[:MAX_SHOWN])
            raise UserError(f"the card's {name} is {shown}", where, mend)
    if not len(fields["mean"]) == len(fields["std"]) == fields["in_channels"]:
        raise UserError("the card's mean, std and in_channels disagree", where, mend)


def _is_count(value: Any) -> bool:
    return is_whole(value) and value >= 0


def _is_number_of_channels(value: Any) -> bool:
    return is_whole(value) and 0 < value <= MAX_CHANNELS


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(is_finite_number, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and all(letter.isprintable() for letter in value)


def _matches(pattern: str, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_none(value: Any) -> bool:
    return value is None


def _are_tricks(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(trick, dict) for trick in value.values())


def _are_metrics(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_finite_number, value.values()))


def _is_range(value: Any) -> bool:
    return _are_numbers(value) and len(value) == 2 and value[0] < value[1]


def _are_options(value: Any) -> bool:
    """Return whether arguments for timm are plain values that name no file to read or fetch."""
    if not isinstance(value, dict) or any(not name.isidentifier() for name in value):
        return False
    return not any(names_a_place(name, option) for name, option in value.items())


CHECKS: dict[str, Callable[[Any], bool]] = {
    "type": lambda value: value in [*VARIANTS, TIMM],
    "depth": lambda value: is_whole(value) and value in list(DEPTHS),
    "variant": lambda value: value in [variant.letter for variant in VARIANTS.values()],
    "in_channels": _is_number_of_channels,
    "stem_channels": _is_number_of_channels,
    "base_channels": _is_number_of_channels,
    "tricks": _are_tricks,
    "dataset": _is_text,
    "metrics": _are_metrics,
    "mean": _are_numbers,
    "std": lambda value: _are_numbers(value) and all(number > 0 for number in value),
    "channel_order": lambda value: value in ["RGB", "BGR"],
    "value_range": _is_range,
    "seed": lambda value: value is None or _is_count(value),
    "epochs": lambda value: value is None or _is_count(value),
    "sha256": lambda value: _matches("[0-9a-f]{64}", value),
    "num_tensors": lambda value: _is_count(value) and value > 0,
    "source": _is_text,
}
TIMM_CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("depth", "stem_channels", "base_channels"), _is_none),
    "variant": lambda value: _matches(r"[\w.\-]+", value),
    "options": _are_options,
}
