"""Cards that were changed by hand, or belong to another network: the card is told as wrong."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import make_card, read_card
from bag_of_transfer.transfer.export import export_backbone
from tests.transfer.any_backbone_files import pretrained

Write = Callable[..., Path]


def change(path: Path, **fields: Any) -> Path:
    """Write other words into a file's card; the hash stays right."""
    card = path.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | fields))
    return path


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("ResNetD", {"depth": 50}, "the card says depth 50, but the file's tensors are those of"),
        ("ResNetD", {"type": "ResNetB"}, "type ResNetB, but the file's .* of ResNet-D-18"),
        ("ResNetC", {"type": "ResNetD"}, "type ResNetD, but the file's .* of ResNet-C-18"),
        ("ResNetB", {"type": "ResNetC"}, "type ResNetC, but the file's .* ResNet-A or B-18"),
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
    backbone_file: Write, kind: str, fields: dict[str, Any], message: str
) -> None:
    path = backbone_file(kind, depth=18)
    assert read_card(path).type == kind  # as it was written
    change(path, **fields)
    with pytest.raises(UserError, match=message) as caught:
        read_card(path)
    assert str(caught.value).endswith("the card is wrong: export or convert the file again")
    assert str(path.with_suffix(".json")) in str(caught.value)


def test_a_network_of_timm_and_a_resnet_are_told_apart(backbone_file: Write) -> None:
    widths = dict.fromkeys(("depth", "stem_channels", "base_channels"))
    timms = {"type": "TimmNetwork", "variant": "resnet18d", "options": {}}
    path = change(backbone_file(depth=18), **widths, **timms)
    with pytest.raises(
        UserError, match="says type TimmNetwork, but the file's tensors are those of ResNet-D-18"
    ):
        read_card(path)


def test_a_and_b_have_the_same_tensors_which_contradict_neither(backbone_file: Write) -> None:
    path = change(backbone_file("ResNetB"), type="ResNetA")
    assert read_card(path).type == "ResNetA"


NO_TEXTS: list[Any] = [None, 5, ["a"], {}, "a\nb", "\x1b[31m"]
NO_COUNTS: list[Any] = [-1, 1.5, "8", True, [8], {}]
NO_CHANNELS: list[Any] = [*NO_COUNTS, None, 0, 10**9]
NO_MEANS: list[Any] = [None, "RGB", 5, ["1", 2, 3], [None, 2, 3], [True, 2, 3], [1e999, 2, 3], [1]]
NO_MEANS.append([10**400, 2, 3])  # an int beyond the largest float
WRONG: dict[str, list[Any]] = {
    "schema": [None, 2, "1", True, [1]],
    "type": [None, 5, ["ResNetD"], {}, "ResNet", "subprocess.Popen"],
    "depth": [*NO_COUNTS, 0, 51, 18.0],
    "variant": [None, 5, ["D"], "E", "ABCD", ""],
    "in_channels": NO_CHANNELS,
    "stem_channels": NO_CHANNELS,
    "base_channels": NO_CHANNELS,
    "tricks": [None, 5, "mixup", ["mixup"], {"mixup": True}, {"mixup": None}],
    "dataset": NO_TEXTS,
    "metrics": [None, 5, [76.0], {"top1": "76"}, {"top1": None}, {"top1": 1e999}, {"top1": True}],
    "mean": NO_MEANS,
    "std": [*NO_MEANS, [0, 1, 1], [-1, 1, 1]],
    "channel_order": [None, 5, ["RGB"], {}, "rgb", "BRG"],
    "value_range": [None, 255, [0], [255, 0], [0, 1], ["0", "255"], [0, 1e999], [0, 1, 2]],
    "seed": NO_COUNTS,
    "epochs": NO_COUNTS,
    "sha256": [None, 5, ["a"], "abc", "Z" * 64],
    "num_tensors": [*NO_COUNTS, None, 0],
    "source": NO_TEXTS,
}
CASES = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the fields of a sound card."""
    path = pretrained("ResNetD-18", tmp_path_factory.mktemp("sound")).path
    fields: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return fields


def test_every_field_of_a_card_has_wrong_values_here(sound: dict[str, Any]) -> None:
    assert set(sound) == set(WRONG)
    assert len(CASES) >= 100


def answer(path: Path, fields: dict[str, Any]) -> str:
    # The reader refuses a number that is larger than any, before there are fields.
    path.with_suffix(".json").write_text(json.dumps(fields).replace("Infinity", "1e999"))
    try:
        return f"taken: {read_card(path)}"
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("name", WRONG)
def test_a_field_of_a_wrong_type_or_range_is_named(
    sound: dict[str, Any], tmp_path: Path, name: str
) -> None:
    path = tmp_path / "b.safetensors"
    path.write_bytes(b"")
    answers = [(value, answer(path, sound | {name: value})) for value in WRONG[name]]
    told = rf"({name}.*|1e999 is larger than any number.*): \S*b\.json: the card is damaged"
    assert not [one for one in answers if not re.search(told, one[1])]


@pytest.mark.parametrize(
    "norm",
    [
        *(
            "BN",
            ["BN"],
            {},
            {"type": "BN"},
            {"type": "LN", "eps": 1e-3},
            {"type": ["BN"], "eps": 1},
        ),
        *({"type": "BN", "eps": -1.0}, {"type": "BN", "eps": "1"}, {"type": "GN", "eps": 1e-3}),
        *({"type": "BN", "eps": 1e-3, "num_groups": 4}, {"type": "GN", "eps": 0, "num_groups": 0}),
    ],
)
def test_norms_that_there_are_not_are_refused(
    sound: dict[str, Any], tmp_path: Path, norm: Any
) -> None:
    with pytest.raises(UserError, match="the card's norm is"):
        make_card(sound | {"norm": norm}, tmp_path, "")
    assert make_card(sound | {"norm": {"type": "BN", "eps": 1e-3}}, tmp_path, "").norm
    assert "norm" not in make_card(sound, tmp_path, "").to_dict()


def test_a_card_of_group_norms_beside_batch_norms_is_told(backbone_file: Write) -> None:
    path = change(backbone_file(depth=18), norm={"type": "GN", "eps": 1e-5, "num_groups": 4})
    with pytest.raises(UserError, match="says norms of GN, but the file's tensors"):
        read_card(path)


@pytest.mark.parametrize(
    "options",
    [
        None,
        [],
        {"checkpoint_path": "evil.pth"},
        {"pretrained_cfg": {"url": "x"}},
        {"pretrained": True},
        {"cache_dir": "x"},
        {"act_layer": "hf-hub:a/b"},
        {"act_layer": "__import__('os').mkdir('x')"},
        {"a b": 1},
    ],
)
def test_options_of_timm_that_read_or_fetch_files_are_refused(
    sound: dict[str, Any], tmp_path: Path, options: Any
) -> None:
    timms = {"type": "TimmNetwork", "variant": "resnet18d", "options": options}
    widths = dict.fromkeys(("depth", "stem_channels", "base_channels"))
    with pytest.raises(UserError, match="the card's options"):
        make_card(sound | widths | timms, tmp_path, "")


@pytest.mark.parametrize("variant", ["hf-hub:a/b", "local-dir:x", "../x", "", "a b", None, 5])
def test_a_network_of_timm_is_not_fetched_by_its_name(
    sound: dict[str, Any], tmp_path: Path, variant: Any
) -> None:
    timms = {"type": "TimmNetwork", "variant": variant, "options": {}}
    widths = dict.fromkeys(("depth", "stem_channels", "base_channels"))
    with pytest.raises(UserError, match="the card's variant"):
        make_card(sound | widths | timms, tmp_path, "")


def test_what_a_card_cannot_hold_is_told_before_a_file_is_written(
    small: Callable[..., Any], write_checkpoint: Write, tmp_path: Path
) -> None:
    path = write_checkpoint(small(depth=18))
    (path.parent / "tricks.json").write_text('{"mixup": 5}')
    with pytest.raises(UserError, match="mixup is 5, not an object"):
        export_backbone(path, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
