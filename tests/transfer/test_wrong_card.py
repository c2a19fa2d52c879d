"""Cards that were changed by hand, or belong to another network: the card is told as wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from transfer.backbone_file import read_card

Write = Callable[..., Path]


def change(path: Path, **fields: Any) -> Path:
    """Write other words into a file's card; the hash stays right."""
    card = path.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | fields))
    return path


@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        ("ResNetD", {"depth": 50}, "the card says depth 50, the file's tensors are of ResNet-D-18"),
        ("ResNetD", {"type": "ResNetB"}, "type ResNetB, the file's tensors are of ResNet-D-18"),
        ("ResNetC", {"type": "ResNetD"}, "type ResNetD, the file's tensors are of ResNet-C-18"),
        ("ResNetB", {"type": "ResNetC"}, "type ResNetC, the file's .* ResNet-A or B-18"),
        ("ResNetD", {"stem_channels": 16}, r"stem_channels 16, .* \(stem 8, base 8\)"),
        ("ResNetD", {"base_channels": 9}, "base_channels 9, "),
        (
            "ResNetD",
            {"in_channels": 1, "mean": [0.0], "std": [1.0], "depth": 34},
            "depth 34, in_channels 1, ",
        ),
    ],
)
def test_a_card_that_its_tensors_contradict_is_told_as_wrong(
    backbone_file: Write, kind: str, fields: dict[str, Any], told: str
) -> None:
    path = backbone_file(kind, depth=18)
    assert read_card(path).type == kind  # as it was written
    change(path, **fields)
    with pytest.raises(UserError, match=told) as caught:
        read_card(path)
    assert str(caught.value).endswith("the card is wrong, export or convert the file again")
    assert str(path.with_suffix(".json")) in str(caught.value)


def test_a_network_of_timm_and_a_resnet_are_told_apart(backbone_file: Write) -> None:
    widths = dict.fromkeys(("depth", "stem_channels", "base_channels"))
    timms = {"type": "TimmNetwork", "variant": "resnet18d", "options": {}}
    path = change(backbone_file(depth=18), **widths, **timms)
    with pytest.raises(
        UserError, match="says type TimmNetwork, the file's tensors are of ResNet-D-18"
    ):
        read_card(path)


def test_a_and_b_have_the_same_tensors_which_contradict_neither(backbone_file: Write) -> None:
    path = change(backbone_file("ResNetB"), type="ResNetA")
    assert read_card(path).type == "ResNetA"
