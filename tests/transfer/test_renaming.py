"""Names of other libraries become ours, and back."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bag_of_transfer.transfer.layouts.recognise import recognise
from bag_of_transfer.transfer.layouts.renaming import rename_all
from bag_of_transfer.transfer.layouts.table import LAYOUTS
from bag_of_transfer.transfer.mismatch import compare
from bag_of_transfer.transfer.network_shapes import describe, shapes_of
from tests.transfer.foreign_names import (
    blob_name,
    detectron2_name,
    gluon_name,
    mmpretrain_d,
    state,
    with_stem,
)

Build = Callable[..., nn.Module]
TO_OURS = {layout.name: layout.to_ours for layout in LAYOUTS}
FROM_OURS = {layout.name: layout.target.from_ours for layout in LAYOUTS if layout.target}


def assert_same(tensors: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert set(tensors) == set(wanted)
    assert all(tensors[name] is wanted[name] for name in wanted)


def test_mmpretrain_d_of_275_tensors_of_which_a_plain_load_takes_255(small: Build) -> None:
    ours = state(small())
    theirs = mmpretrain_d(ours, ("layer1",))
    assert len(theirs) == 275
    plain = compare(shapes_of(ours), shapes_of(theirs))
    # 5 tensors of each of three stem convolutions, and the first shortcut's 5
    assert 275 - len(plain.missing) - len(plain.reshaped) == 255
    assert_same(TO_OURS["mmpretrain"](theirs), ours)


@pytest.mark.parametrize(
    ("kind", "depth", "unpooled"),
    [
        ("ResNetD", 50, ("layer1", "layer3", "layer4")),  # rebuilt with stride 8
        ("ResNetD", 18, ()),  # its first stage has no shortcut
        ("ResNetC", 50, ()),  # unpooled anyway: convolution 0, norm 1, as ours
    ],
)
def test_mmpretrain_of_other_kinds(
    small: Build, kind: str, depth: int, unpooled: tuple[str, ...]
) -> None:
    ours = state(small(kind, depth=depth))
    theirs = mmpretrain_d(ours, unpooled)
    assert recognise(theirs).layout.name == "mmpretrain"  # type: ignore[union-attr]
    assert_same(TO_OURS["mmpretrain"](theirs), ours)


@pytest.mark.parametrize("layout", ["timm", "gluon"])
@pytest.mark.parametrize("kind", ["ResNetB", "ResNetC", "ResNetD"])
def test_timm_and_gluon(small: Build, kind: str, layout: str) -> None:
    ours = state(small(kind))
    theirs = with_stem(ours, 1)
    if layout == "gluon":
        theirs = {gluon_name(name, tensor): tensor for name, tensor in theirs.items()}
        assert sum(name.endswith(".gamma") for name in theirs) == len(ours) / 5
    assert_same(TO_OURS[layout](theirs), ours)


@pytest.mark.parametrize("layout", ["torchvision", "mmdet"])
def test_names_that_are_ours_stay(small: Build, layout: str) -> None:
    ours = state(small("ResNetB"))
    assert_same(TO_OURS[layout](ours), ours)


# ---- detectron2, and Detectron's blobs before it ----


def test_detectron2_names(small: Build) -> None:
    ours = state(small("ResNetA"))
    theirs = {detectron2_name(name): tensor for name, tensor in ours.items()}
    for name in ("stem.conv1.norm.running_var", "res5.0.shortcut.norm.bias", "res2.2.conv3.weight"):
        assert name in theirs
    assert recognise(theirs).layout.name == "caffe"  # type: ignore[union-attr]
    assert_same(TO_OURS["caffe"](theirs), ours)


def test_detectron_blobs_get_the_statistics_that_leave_scale_and_shift(small: Build) -> None:
    network = small("ResNetA").eval()
    ours = {name: t for name, t in state(network).items() if "running" not in name}
    theirs = {blob_name(name): tensor for name, tensor in ours.items()}
    for name in ("conv1_w", "res_conv1_bn_s", "res3_0_branch1_bn_b", "res2_2_branch2c_w"):
        assert name in theirs
    assert recognise(theirs).layout.name == "caffe"  # type: ignore[union-attr]
    converted = TO_OURS["caffe"](theirs)
    network.load_state_dict(converted)  # strictly
    for name, tensor in ours.items():
        assert converted[name] is tensor
    x = torch.randn(2, 8, 3, 5)
    scale, shift = (theirs[f"res_conv1_bn_{letter}"].view(8, 1, 1) for letter in "sb")
    with torch.no_grad():
        torch.testing.assert_close(network.bn1(x), x * scale + shift, rtol=1e-6, atol=1e-6)


# ---- and back ----


@pytest.mark.parametrize("to", ["timm", "mmpretrain", "torchvision"])
@pytest.mark.parametrize("kind", ["ResNetB", "ResNetC", "ResNetD"])
def test_back_gives_the_library_s_names_again(small: Build, kind: str, to: str) -> None:
    ours = state(small(kind))
    wanted = {
        "timm": with_stem(ours, 1),
        "mmpretrain": mmpretrain_d(ours, ("layer1",) if kind == "ResNetD" else ()),
        "torchvision": ours,
    }[to]
    assert_same(FROM_OURS[to](ours), wanted)


def test_two_tensors_never_become_one() -> None:
    with pytest.raises(ValueError, match="two tensors would get the same name"):
        rename_all({"a": torch.ones(1), "b": torch.zeros(1)}, lambda name: "c")


def test_every_depth_that_the_backbones_have_is_described() -> None:
    from backbones.blocks import DEPTHS
    from bag_of_transfer.transfer import network_shapes

    assert sorted(network_shapes.DEPTHS.values()) == sorted(DEPTHS)
    assert describe({}) is None
