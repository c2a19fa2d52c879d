"""Networks of timm from a classifier's checkpoint to a file: its card, and how it is loaded."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from backbones import ResNetB, TimmNetwork
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import card_path, read_card
from bag_of_transfer.transfer.backbone_file import load_backbone
from bag_of_transfer.transfer.convert.out_of_ours import convert_back
from bag_of_transfer.transfer.export import export_backbone
from bag_of_transfer.transfer.mismatch import BackboneMismatchError
from tests.transfer.any_backbone_files import TIMM

MOBILENET, INCEPTION = TIMM
NUM_TENSORS = {MOBILENET: 5 * 27, INCEPTION: 5 * 94}  # convolutions, each with its norm's four


# ---- card and file ----


@pytest.mark.parametrize("name", TIMM)
def test_the_card_names_the_network_and_its_options(pretrained_file: Any, name: str) -> None:
    card = json.loads(card_path(pretrained_file(name)).read_text())
    assert {key: card[key] for key in ("type", "variant", "options", "in_channels")} == {
        "type": "TimmNetwork",
        "variant": name,
        "options": TIMM[name],
        "in_channels": 3,
    }
    assert [card[key] for key in ("depth", "stem_channels", "base_channels")] == [None] * 3
    assert card["num_tensors"] == len(load_file(pretrained_file(name))) == NUM_TENSORS[name]
    assert read_card(pretrained_file(name)).title == f"TimmNetwork {name}"


def test_a_resnets_card_has_no_options(pretrained_file: Any) -> None:
    card = json.loads(card_path(pretrained_file("ResNetB-18")).read_text())
    assert "options" not in card
    assert len(card) == 19  # schema and the fields of docs/files.md


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 50}, "depth is 50"),
        ({"base_channels": 64}, "base_channels is 64"),
        ({"variant": ""}, "variant is ''"),
        ({"options": None}, "options is None"),
        ({"options": ...}, "lacks options"),
        ({"type": "ResNetD"}, "depth is None"),
        ({"type": "Transformer"}, "type is 'Transformer'"),
    ],
)
def test_a_card_is_checked_by_its_type(
    tmp_path: Path, pretrained_file: Any, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(pretrained_file(MOBILENET).read_bytes())
    fields = json.loads(card_path(pretrained_file(MOBILENET)).read_text()) | change
    kept = {key: value for key, value in fields.items() if value is not ...}
    card_path(path).write_text(json.dumps(kept))
    with pytest.raises(UserError, match=message):
        read_card(path)


def test_a_checkpoint_whose_config_is_another_network_is_refused(tmp_path: Path) -> None:
    backbone = {"type": "TimmNetwork", "name": "mobilenetv1_100"}
    images = {"mean": [1.0] * 3, "std": [1.0] * 3}
    for name, message in (("mobilenetv1_125", "do not fit"), ("mobilenet_v1", "mobilenet_v1")):
        model = {"backbone": backbone | {"name": name}, "data_preprocessor": images}
        state = TimmNetwork("mobilenetv1_100").state_dict()
        tensors = {f"backbone.{key}": tensor for key, tensor in state.items()}
        meta = {"epoch": 1, "model_json": json.dumps(model)}
        torch.save({"meta": meta, "state_dict": tensors}, tmp_path / "a.pth")
        with pytest.raises(UserError, match=message):
            export_backbone(tmp_path / "a.pth", tmp_path / "a.safetensors")
        assert not list(tmp_path.glob("a.s*"))


def test_other_libraries_layouts_are_refused(pretrained_file: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no other layout"):
        convert_back(pretrained_file(MOBILENET), tmp_path / "o.safetensors", "timm")


# ---- strict loading ----


@pytest.mark.parametrize(
    ("network", "message", "mend"),
    [
        (lambda: TimmNetwork("mobilenetv1_125"), "do not fit", "another network of timm"),
        (lambda: ResNetB(18, base_channels=8), "do not fit", "the file is of a TimmNetwork"),
        (  # ReLU6: the same tensors
            lambda: TimmNetwork("mobilenetv1_100"),
            "with {'act_layer' 'relu'} and the network a TimmNetwork mobilenetv1_100 with {}",
            "make the config agree",
        ),
        (  # another classifier: the same tensors again
            lambda: TimmNetwork("mobilenetv1_100h", options={"act_layer": "relu"}),
            "and the network a TimmNetwork mobilenetv1_100h with",
            "make the config agree",
        ),
    ],
)
def test_another_network_loads_nothing(
    pretrained_file: Any, network: Any, message: str, mend: str
) -> None:
    built = network()
    before = {key: tensor.clone() for key, tensor in built.state_dict().items()}
    with pytest.raises(BackboneMismatchError) as caught:
        load_backbone(built, pretrained_file(MOBILENET))
    assert message in caught.value.what
    assert mend in caught.value.mend
    assert all(torch.equal(before[key], tensor) for key, tensor in built.state_dict().items())


def test_a_file_without_a_tensor_and_a_foreign_file_tell_the_mend(
    pretrained_file: Any, tmp_path: Path
) -> None:
    tensors = load_file(pretrained_file(MOBILENET))
    stem = tensors.pop("network.conv_stem.weight")
    save_file(tensors, tmp_path / "a.safetensors")
    network = TimmNetwork("mobilenetv1_100", options=TIMM[MOBILENET])
    with pytest.raises(BackboneMismatchError, match=r"1 missing, network\.conv_stem\.weight"):
        load_backbone(network, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="the file is incomplete"):
        read_card(tmp_path / "a.safetensors")  # nothing to compare with
    save_file({"conv_stem.weight": stem}, tmp_path / "timm.safetensors")
    for path in (tmp_path / "timm.safetensors", pretrained_file("ResNetB-18")):
        with pytest.raises(BackboneMismatchError, match="--timm-name NAME"):
            load_backbone(network, path)
    with pytest.raises(UserError, match=r"this is a checkpoint.*export_backbone"):
        read_card(pretrained_file(MOBILENET).with_suffix(".pth"))
