"""Our files for other libraries: their own classes load them strictly and compute the same."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from backbones.undrawn import WithoutDrawing
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.transfer.backbone_card import Card
from bag_of_transfer.transfer.card_writing import write_with_card
from bag_of_transfer.transfer.convert.feature_check import stage_maps
from bag_of_transfer.transfer.convert.into_ours import convert_weights
from bag_of_transfer.transfer.convert.out_of_ours import convert_back
from bag_of_transfer.transfer.layouts.timm import timm_name
from tests.transfer.foreign_names import mmpretrain_d, state

Build = Callable[..., nn.Module]
IMAGES = torch.rand(1, 3, 65, 97, generator=torch.Generator().manual_seed(4))
WIDE = dict(depth=18, stem_channels=64, base_channels=64)


@pytest.fixture
def ours(tmp_path: Path, small: Build) -> Callable[..., nn.Module]:
    """Write a filled network's file, ``ours.safetensors``, and return the network."""

    def make(kind: str, order: str = "RGB", **widths: Any) -> nn.Module:
        network = small(kind, **widths)
        fields = dict(
            type=kind,
            variant=kind[-1],
            depth=network.depth,
            in_channels=3,
            stem_channels=network.stem_channels,
            base_channels=network.base_channels,
            tricks={"mixup": {"on": True}},
            dataset="flowers",
            metrics={"top1": 61.25},
            mean=[1.0, 2.0, 3.0],
            std=[4.0, 5.0, 6.0],
            channel_order=order,
            value_range=[0, 255],
            seed=3,
            epochs=7,
            source="run/epoch_7.pth",
        )
        write_with_card(tmp_path / "ours.safetensors", state(network), fields)
        return network.eval()

    return make


def back(tmp_path: Path, to: str, **flags: Any) -> tuple[Card, list[str], dict[str, Any]]:
    out = tmp_path / f"{to}.safetensors"
    done = convert_back(tmp_path / "ours.safetensors", out, to, **flags)
    return done.card, done.lines, load_file(out)


def assert_same_maps(a: nn.Module, b: nn.Module) -> None:
    for first, second in zip(stage_maps(a, IMAGES), stage_maps(b, IMAGES), strict=True):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param("ResNetB", "resnet18", marks=pytest.mark.slow),
        ("ResNetD", "resnet18d"),
    ],
)
def test_timm_loads_it_strictly(tmp_path: Path, ours: Build, kind: str, name: str) -> None:
    timm = pytest.importorskip("timm")
    network = ours(kind, **WIDE)
    _, lines, tensors = back(tmp_path, "timm")
    with WithoutDrawing():
        theirs = timm.create_model(name, num_classes=0)
    theirs.load_state_dict(tensors, strict=True)
    assert_same_maps(network, theirs)
    assert f"load: timm.create_model('{name}', num_classes=0), strictly" in lines
    assert "checked: timm's network loads them strictly, same features in 4 stages" in lines


@pytest.mark.parametrize("stem", [pytest.param(8, marks=pytest.mark.slow), 16])
def test_timms_class_loads_widths_that_no_model_of_it_has(
    tmp_path: Path, ours: Build, stem: int
) -> None:
    timm = pytest.importorskip("timm.models.resnet")
    network = ours("ResNetC", stem_channels=stem)
    _, lines, tensors = back(tmp_path, "timm")
    theirs = timm.ResNet(
        timm.Bottleneck,
        (3, 4, 6, 3),
        num_classes=0,
        stem_width=stem // 2,
        stem_type="deep",
        channels=(8, 16, 32, 64),
    )
    theirs.load_state_dict(tensors, strict=True)
    assert_same_maps(network, theirs)
    assert "load: timm's class ResNet, strictly" in lines


@pytest.mark.parametrize(
    ("variant", "depth", "stem", "base", "name"),
    [
        ("B", 50, 64, 64, "resnet50"),
        ("A", 34, 64, 64, "resnet34"),  # as B
        ("C", 50, 64, 64, "resnet50c"),
        ("C", 50, 128, 64, "resnet50s"),
        ("C", 18, 64, 64, ""),  # there is no resnet18c
        ("D", 152, 64, 64, "resnet152d"),
        ("D", 50, 128, 64, ""),
        ("D", 50, 64, 32, ""),
    ],
)
def test_the_timm_model_is_named_where_there_is_one(
    variant: str, depth: int, stem: int, base: int, name: str
) -> None:
    pytest.importorskip("timm")
    fields = dict(variant=variant, depth=depth, stem_channels=stem, base_channels=base)
    assert timm_name(fields) == name


def test_torchvision_loads_it_strictly(tmp_path: Path, ours: Build) -> None:
    network = ours("ResNetB", **WIDE)
    _, lines, tensors = back(tmp_path, "torchvision")
    with WithoutDrawing():
        theirs = torchvision.models.resnet18()
    theirs.fc = nn.Identity()
    theirs.load_state_dict(tensors, strict=True)
    assert_same_maps(network, theirs)
    assert any("torchvision.models.resnet18() with fc = torch.nn.Identity()" in x for x in lines)


def test_mmpretrain_gets_its_stem_and_its_first_shortcut(tmp_path: Path, ours: Build) -> None:
    network = ours("ResNetD")
    _, lines, tensors = back(tmp_path, "mmpretrain")
    wanted = mmpretrain_d(state(network), ("layer1",))
    assert len(tensors) == 275
    assert set(tensors) == set(wanted)
    assert all(torch.equal(tensors[name], wanted[name]) for name in wanted)
    assert any("ResNetV1d(depth=50, stem_channels=8, base_channels=8)" in line for line in lines)


def test_an_a_goes_to_mmpretrain_as_caffe_style(tmp_path: Path, ours: Build) -> None:
    ours("ResNetA", order="BGR")
    _, lines, _ = back(tmp_path, "mmpretrain")
    assert any("ResNet(depth=50, " in line and "style='caffe'" in line for line in lines)
    assert "images: BGR, mean [1.0, 2.0, 3.0], std [4.0, 5.0, 6.0] on 0 to 255" in lines


def test_the_card_says_what_it_said_and_the_layout(tmp_path: Path, ours: Build) -> None:
    ours("ResNetD")
    card, _, tensors = back(tmp_path, "timm")
    before = json.loads((tmp_path / "ours.json").read_text())
    after = json.loads((tmp_path / "timm.json").read_text())
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"layout", "sha256"}
    assert after["layout"] == "timm"
    assert card.num_tensors == len(tensors) == 275


@pytest.mark.parametrize("to", ["timm", "mmpretrain"])
def test_there_and_back_is_the_same_file(tmp_path: Path, ours: Build, to: str) -> None:
    network = ours("ResNetD", order="BGR")
    back(tmp_path, to)
    done = convert_weights(str(tmp_path / f"{to}.safetensors"), tmp_path / "again.safetensors")
    again = load_file(tmp_path / "again.safetensors")
    assert all(torch.equal(again[name], tensor) for name, tensor in state(network).items())
    # what the card knows beside the tensors is kept
    before = json.loads((tmp_path / "ours.json").read_text())
    assert done.card.to_dict() == before


def test_an_a_is_an_a_when_it_comes_back(tmp_path: Path, ours: Build) -> None:
    ours("ResNetA")
    back(tmp_path, "mmpretrain")
    done = convert_weights(str(tmp_path / "mmpretrain.safetensors"), tmp_path / "o.safetensors")
    assert done.card.type == "ResNetA"


@pytest.mark.parametrize(
    ("kind", "widths", "to"),
    [
        ("ResNetD", WIDE, "torchvision"),
        pytest.param("ResNetC", WIDE, "torchvision", marks=pytest.mark.slow),
        ("ResNetB", dict(depth=18), "torchvision"),  # 8 channels
        ("ResNetA", dict(depth=50, stem_channels=64, base_channels=64), "torchvision"),
        ("ResNetA", dict(depth=50), "timm"),
        ("ResNetA", dict(depth=26, stem_channels=64), "timm"),
        ("ResNetB", dict(depth=50), "timm"),  # stem of 8
    ],
)
def test_what_the_library_cannot_express_is_refused(
    tmp_path: Path, ours: Build, kind: str, widths: dict[str, int], to: str
) -> None:
    ours(kind, **widths)
    with pytest.raises(UserError, match=f"{to} has no {kind}-"):
        back(tmp_path, to)
    assert not (tmp_path / f"{to}.safetensors").exists()


@pytest.mark.parametrize("norm", [dict(type="BN", eps=1e-3), dict(type="GN", num_groups=4)])
def test_norms_that_the_librarys_class_does_not_have_are_refused(
    tmp_path: Path, backbone_file: Callable[..., Path], norm: dict[str, Any]
) -> None:
    path, out = backbone_file(depth=18, norm_cfg=norm), tmp_path / "other.safetensors"
    with pytest.raises(UserError, match=f"other norms than {norm['type']} with eps"):
        convert_back(path, out, "timm")
    card = convert_weights(str(path), out, in_channels=1).card  # stays ours
    assert card.norm == {"type": norm["type"], "eps": 1e-5, **norm}


def test_an_a_of_basic_blocks_is_a_b(tmp_path: Path, ours: Build) -> None:
    network = ours("ResNetA", **WIDE)
    _, _, tensors = back(tmp_path, "torchvision")
    with WithoutDrawing():
        theirs = torchvision.models.resnet18()
    theirs.fc = nn.Identity()
    theirs.load_state_dict(tensors)
    assert_same_maps(network, theirs)


def test_a_library_that_computes_something_else_is_found(
    tmp_path: Path, ours: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours("ResNetB", **WIDE)
    with WithoutDrawing():
        theirs = torchvision.models.resnet18()
    theirs.fc = nn.Identity()
    theirs.layer3[1].relu = nn.SiLU()
    monkeypatch.setattr(torchvision.models, "get_model", lambda name, weights: theirs)
    with pytest.raises(UserError, match="stage 3 computes other features"):
        back(tmp_path, "torchvision")
    assert not (tmp_path / "torchvision.safetensors").exists()


def test_without_timm_it_is_written_unchecked(
    tmp_path: Path, ours: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours("ResNetD")
    monkeypatch.setitem(sys.modules, "timm", None)
    _, lines, tensors = back(tmp_path, "timm")
    assert "not checked by a forward pass: no implementation of timm is installed" in lines
    assert "conv1.6.weight" in tensors


def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, ours: Build) -> None:
    ours("ResNetD")
    back(tmp_path, "timm")
    with pytest.raises(UserError, match=r"15 of 275 tensors do not fit.*layout is timm's"):
        convert_back(tmp_path / "timm.safetensors", tmp_path / "o.safetensors", "mmpretrain")
    with pytest.raises(RefusedError, match="the file exists"):
        back(tmp_path, "timm")
    back(tmp_path, "timm", force=True)


def test_a_card_that_cannot_be_written_takes_its_file_along(
    tmp_path: Path, ours: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError("No space left on device")

    ours("ResNetD")
    monkeypatch.setattr("bag_of_transfer.transfer.card_writing.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        back(tmp_path, "timm")
    assert {path.name for path in tmp_path.iterdir()} == {"ours.safetensors", "ours.json"}
