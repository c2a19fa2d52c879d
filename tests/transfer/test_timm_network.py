"""timm's networks that are no ResNet of ours: from a file or by name into a backbone file."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from backbones import TimmNetwork
from backbones.undrawn import WithoutDrawing
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.backbone_file import load_backbone
from bag_of_transfer.transfer.convert import model_zoos
from bag_of_transfer.transfer.convert.feature_check import fill
from bag_of_transfer.transfer.convert.into_ours import convert_weights

timm = pytest.importorskip("timm")
# convnext's stages bear other names once cut; resnet10t is a relative of ours.
NUM_TENSORS = {
    "mobilenetv1_100": 135,  # 27 convolutions, five tensors each
    "convnext_atto": 124,
    "seresnet18": 132,  # 20 convolutions, and two more without a norm in each of 8 blocks
    "resnet10t": 70,  # 3 + 8 + 3 convolutions: stem, 4 blocks, shortcuts
}


def trained(name: str, **kwargs: Any) -> nn.Module:
    with WithoutDrawing():
        network: nn.Module = timm.create_model(name, **kwargs)
    network.load_state_dict(fill(network.state_dict(), seed=5))
    return network.eval()


def write(folder: Path, state: dict[str, Tensor]) -> str:
    torch.save({"state_dict": state}, folder / "m.pth")
    return str(folder / "m.pth")


@pytest.mark.parametrize(
    "name",
    [
        "convnext_atto",
        "resnet10t",
        "seresnet18",
        pytest.param("mobilenetv1_100", marks=pytest.mark.slow),
    ],
)
def test_a_local_file_computes_what_it_computed_in_timm(tmp_path: Path, name: str) -> None:
    theirs, out = trained(name), tmp_path / "o.safetensors"
    done = convert_weights(write(tmp_path, theirs.state_dict()), out, timm_name=name)
    card = read_card(out)
    assert (card.type, card.variant, card.options) == ("TimmNetwork", name, {})
    assert (card.depth, card.stem_channels, card.base_channels) == (None, None, None)
    assert card.num_tensors == len(load_file(out)) == NUM_TENSORS[name]
    config = theirs.pretrained_cfg
    assert card.mean == pytest.approx([255 * value for value in config["mean"]])
    assert card.std == pytest.approx([255 * value for value in config["std"]])
    ours = TimmNetwork(name)
    assert f"{NUM_TENSORS[name]} of {NUM_TENSORS[name]}" in load_backbone(ours, out)
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    expected: list[Tensor] = []
    module = ours.network.feature_info.get_dicts()[-1]["module"]
    hook = theirs.get_submodule(module).register_forward_hook(
        lambda module, inputs, output: expected.append(output)
    )
    with torch.no_grad():
        theirs(image)
        hook.remove()
        got = ours.eval()(image)[-1]
    torch.testing.assert_close(got, expected[0])
    assert got.std() > 0
    assert any(line.startswith("checked: the same maps as timm's") for line in done.lines)


def test_what_lies_behind_the_last_map_is_listed(tmp_path: Path) -> None:
    state = trained(
        "mobilenetv1_100", num_classes=7
    ).state_dict()  # another classifier is no matter
    done = convert_weights(
        write(tmp_path, state), tmp_path / "o.safetensors", timm_name="mobilenetv1_100"
    )
    assert "left out: 2 after the last map: classifier.bias, classifier.weight" in done.lines


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace timm's download by weights of a formula."""
    build = timm.create_model

    def create_model(asked: str, pretrained: bool = False, **kwargs: Any) -> nn.Module:
        with WithoutDrawing():
            network: nn.Module = build(asked, **kwargs)
        if pretrained:
            network.load_state_dict(fill(network.state_dict(), seed=5))
        return network

    monkeypatch.setattr(timm, "create_model", create_model)
    monkeypatch.setattr(model_zoos, "hub_in_reach", lambda: True)


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize(
    "name",
    [
        # The second means the first.
        pytest.param("mobilenetv1_100.ra4_e3600_r224_in1k", marks=pytest.mark.slow),
        "mobilenetv1_100",
    ],
)
def test_a_name_is_enough(tmp_path: Path, name: str) -> None:
    card = convert_weights(name, tmp_path / "o.safetensors").card
    assert (card.type, card.variant, card.dataset) == (
        ("TimmNetwork", "mobilenetv1_100", "ImageNet-1K")
    )
    assert (card.mean, card.std) == ([127.5] * 3, [127.5] * 3)  # timm's config of these weights
    assert card.source.startswith("timm mobilenetv1_100.ra4_e3600_r224_in1k (timm ")
    stem = load_file(tmp_path / "o.safetensors")["network.conv_stem.weight"]
    expected = fill(timm.create_model("mobilenetv1_100").state_dict(), seed=5)["conv_stem.weight"]
    assert torch.equal(stem, expected)


@pytest.mark.usefixtures("fetched")
def test_a_relative_of_ours_by_name_must_be_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "o.safetensors"
    with pytest.raises(UserError, match="--timm-name NAME"):
        convert_weights("seresnet33ts.ra2_in1k", out)
    with pytest.raises(UserError, match="give only one of the two"):
        convert_weights("resnet10t.c3_in1k", out, timm_name="resnet14t")
    card = convert_weights("resnet10t.c3_in1k", out, timm_name="resnet10t").card
    assert (card.title, card.num_tensors) == ("TimmNetwork resnet10t", 70)


def without(key: str) -> Any:
    return lambda state: {name: tensor for name, tensor in state.items() if name != key}


def with_nan(state: dict[str, Tensor]) -> dict[str, Tensor]:
    state["conv_stem.weight"][0] = float("nan")
    return state


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("mobilenetv1_100", without("bn1.weight"), "1 tensors are missing.*first bn1.weight"),
        ("mobilenetv1_100", lambda state: state | {"x.y": torch.ones(1)}, "foreign.*x.y"),
        ("mobilenetv1_100", with_nan, "conv_stem.weight holds NaN"),
        ("mobilenetv1_125", dict, "missing or of another shape"),
        ("mobilenetv1_1OO", dict, "mobilenetv1_1OO"),
        ("mobilenetv1_100.no_such_tag", dict, "no_such_tag"),
        ("vit_tiny_patch16_224", dict, "not cut after modules"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(
    tmp_path: Path, name: str, change: Any, message: str
) -> None:
    path = write(tmp_path, change(trained("mobilenetv1_100").state_dict()))
    with pytest.raises(UserError, match=message):
        convert_weights(path, tmp_path / "o.safetensors", timm_name=name)
    assert not list(tmp_path.glob("o.*"))


def test_a_network_for_one_image_size_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, trained("swin_s3_tiny_224").state_dict())
    with pytest.raises(UserError, match="for an image of any size"):
        convert_weights(path, tmp_path / "o.safetensors", timm_name="swin_s3_tiny_224")


def test_other_features_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, trained("mobilenetv1_100").state_dict())
    cut = TimmNetwork.forward
    monkeypatch.setattr(
        TimmNetwork, "forward", lambda self, x: tuple(m + 0.01 * m.mean() for m in cut(self, x))
    )
    with pytest.raises(UserError, match="does not compute the maps of timm's whole network"):
        convert_weights(path, tmp_path / "o.safetensors", timm_name="mobilenetv1_100")


def test_the_layout_of_another_library_cannot_be_meant(tmp_path: Path) -> None:
    path = write(tmp_path, trained("mobilenetv1_100").state_dict())
    with pytest.raises(UserError, match="leave --layout out"):
        convert_weights(path, tmp_path / "o.safetensors", "gluon", timm_name="mobilenetv1_100")
