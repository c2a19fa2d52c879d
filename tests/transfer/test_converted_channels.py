"""--in-channels: the first convolution by timm's rule, mean and std of that length on the card."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from backbones import ResNetD, TimmNetwork
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.backbone_file import load_backbone
from bag_of_transfer.transfer.convert import timm_network
from bag_of_transfer.transfer.convert.feature_check import fill
from bag_of_transfer.transfer.convert.input_channels import adapt_first_convolution, adapt_images
from bag_of_transfer.transfer.convert.into_ours import convert_weights
from bag_of_transfer.transfer.convert.out_of_ours import convert_back

manipulate = pytest.importorskip("timm.models._manipulate")
timm_resnet = pytest.importorskip("timm.models.resnet")
FIELDS = {"mean": [1.0, 2.0, 6.0], "std": [4.0, 5.0, 6.0], "channel_order": "RGB", "source": "s"}


@pytest.mark.parametrize("num", [1, 2, 3, 4, 5, 6, 7])
def test_the_first_convolution_is_timms(num: int) -> None:
    weight = torch.rand(4, 3, 5, 5)
    adapted = adapt_first_convolution(weight, num)
    torch.testing.assert_close(adapted, manipulate.adapt_input_conv(num, weight))


@pytest.mark.parametrize("num", [1, 4])
def test_bgr_weights_are_turned_to_rgb_first(num: int) -> None:
    rgb = torch.rand(4, 3, 5, 5)
    adapted = adapt_first_convolution(rgb.flip(1), num, "BGR")
    torch.testing.assert_close(adapted, adapt_first_convolution(rgb, num))
    bgr = FIELDS | {"mean": [6.0, 2.0, 1.0], "std": [6.0, 5.0, 4.0], "channel_order": "BGR"}
    assert adapt_images(bgr, num) == adapt_images(FIELDS, num)


@pytest.mark.parametrize(
    ("num", "mean", "std"), [(1, [3.0], [5.0]), (4, [1.0, 2.0, 6.0, 1.0], [4.0, 5.0, 6.0, 4.0])]
)
def test_mean_and_std_have_that_length(num: int, mean: list[float], std: list[float]) -> None:
    adapted = adapt_images(FIELDS, num)
    assert (adapted["mean"], adapted["std"], adapted["in_channels"]) == (mean, std, num)
    assert f"from 3 to {num} channels" in adapted["source"]


def create(name: str) -> Any:
    return pytest.importorskip("timm").create_model(name).eval()


def timm_small(in_chans: int = 3) -> torch.nn.Module:
    return timm_resnet.ResNet(
        timm_resnet.BasicBlock,
        (2, 2, 2, 2),
        num_classes=0,
        in_chans=in_chans,
        stem_width=4,
        stem_type="deep",
        avg_down=True,
        channels=(8, 16, 32, 64),
    )


@pytest.mark.parametrize("num", [1, 4])
def test_a_converted_file_computes_what_timm_does_and_goes_back(tmp_path: Path, num: int) -> None:
    state = fill(timm_small().state_dict())
    save_file(state, tmp_path / "theirs.safetensors")
    out, back = tmp_path / "out.safetensors", tmp_path / "back.safetensors"
    convert_weights(str(tmp_path / "theirs.safetensors"), out, in_channels=num)
    card = read_card(out)
    assert (card.in_channels, len(card.mean), len(card.std)) == (num, num, num)
    ours = ResNetD(18, in_channels=num, stem_channels=8, base_channels=8)
    load_backbone(ours, out)
    theirs = timm_small(num)
    state["conv1.0.weight"] = manipulate.adapt_input_conv(num, state["conv1.0.weight"])
    theirs.load_state_dict(state)
    images = torch.rand(1, num, 65, 97)
    with torch.no_grad():
        expected = theirs.eval().forward_features(images)
        torch.testing.assert_close(ours.eval()(images)[-1], expected)
    lines = convert_back(out, back, "timm").lines
    assert any("loads them strictly" in line for line in lines)
    assert load_file(back)["conv1.0.weight"].shape[1] == num


@pytest.mark.parametrize(
    ("name", "theirs", "ours"),
    [
        ("resnet10t", "conv1.0", "conv1.0"),
        ("convnext_atto", "stem.0", "stem_0"),  # cut networks have other names
        *(
            pytest.param(*row, marks=pytest.mark.slow)
            for row in (
                ("densenet121", "features.conv0", "features_conv0"),
                ("darknet53", "stem.conv1.conv", "stem_conv1.conv"),
                ("resnetv2_50", "stem.conv", "stem_conv"),
            )
        ),
    ],
)
def test_other_networks_of_timm_take_in_chans(
    tmp_path: Path, name: str, theirs: str, ours: str
) -> None:
    state = fill(create(name).state_dict())
    save_file(state, tmp_path / "theirs.safetensors")
    out = tmp_path / "out.safetensors"
    convert_weights(str(tmp_path / "theirs.safetensors"), out, timm_name=name, in_channels=1)
    assert read_card(out).options == {"in_chans": 1}
    expected = manipulate.adapt_input_conv(1, state[f"{theirs}.weight"])
    torch.testing.assert_close(load_file(out)[f"network.{ours}.weight"], expected)
    load_backbone(TimmNetwork(name, options={"in_chans": 1}), out)


@pytest.mark.parametrize("named", [None, "", "elsewhere", ["conv1.0", "elsewhere"]])
def test_a_first_convolution_that_is_not_known_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: object
) -> None:
    network = create("resnet10t")
    network.pretrained_cfg = {**network.pretrained_cfg, "first_conv": named}
    save_file(fill(network.state_dict()), tmp_path / "theirs.safetensors")
    monkeypatch.setattr(timm_network, "_create", lambda name: network)
    src, out = str(tmp_path / "theirs.safetensors"), tmp_path / "out.safetensors"
    with pytest.raises(UserError, match=r"which convolution .* reads the image"):
        convert_weights(src, out, timm_name="resnet10t", in_channels=1)
    assert not out.exists()


def test_no_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="0 is not a valid number: --in-channels"):
        convert_weights("a.pth", tmp_path / "out.safetensors", in_channels=0)
