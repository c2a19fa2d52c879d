import pytest
import torch
import torchvision
from torch import nn

from backbones import ResNet
from bag_of_transfer.transfer.layouts.recognise import recognise
from bag_of_transfer.transfer.network_shapes import describe, shapes_of
from bag_of_transfer.transfer.resnet_type import equivalent_type

NAMES = {
    "gluon": ["conv1.0.weight", "conv1.1.gamma", "layer1.0.conv1.weight", "layer1.0.bn1.beta"],
    "caffe": ["stem.conv1.weight", "res2.0.conv1.weight", "res2.0.conv1.norm.weight"],
    "mmpretrain": [
        "stem.0.conv.weight",
        "stem.0.bn.weight",
        "layer1.0.conv1.weight",
        "layer1.0.downsample.0.weight",
    ],
    "timm": ["conv1.0.weight", "conv1.3.weight", "bn1.weight", "layer1.0.conv1.weight"],
    "torchvision": ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "fc.weight"],
    "mmdet": ["stem.0.weight", "stem.1.weight", "layer1.0.conv1.weight"],
}


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize("prefix", ["", "backbone.", "module.backbone."])
def test_each_layout_is_recognised_behind_any_prefix(layout: str, prefix: str) -> None:
    guess = recognise([f"{prefix}{name}" for name in NAMES[layout]] + ["head.fc.bias"])
    assert guess is not None
    assert (guess.layout.name, guess.prefix) == (layout, prefix)


def test_real_state_dicts_are_recognised() -> None:
    timm = pytest.importorskip("timm")
    theirs = timm.create_model("resnet18d").state_dict()
    assert recognise(theirs).layout.name == "timm"  # type: ignore[union-attr]
    theirs = torchvision.models.resnet18().state_dict()
    assert recognise(theirs).layout.name == "torchvision"  # type: ignore[union-attr]


def test_the_backbone_is_found_beside_a_teacher() -> None:
    names = ["teacher.layer1.0.conv1.weight", "backbone.layer1.0.conv1.weight"]
    guess = recognise([*names, "teacher.conv1.weight", "backbone.stem.0.weight"])
    assert guess is not None
    assert guess.prefix == "backbone."


def test_what_is_no_resnet_is_not_recognised() -> None:
    assert recognise(["patch_embed.proj.weight", "blocks.0.attn.qkv.weight"]) is None
    assert describe({"blocks.0.attn.qkv.weight": (3, 3)}) is None


@pytest.mark.parametrize(
    ("kind", "letters", "depth"),
    [
        ("ResNetA", ("A", "B"), 50),
        ("ResNetB", ("A", "B"), 18),
        ("ResNetC", ("C",), 101),
        *(("ResNetD", ("D",), depth) for depth in (18, 34, 50, 101, 152)),
    ],
)
@pytest.mark.parametrize("num_stages", [3, 4])
def test_shapes_tell_variant_depth_and_widths(
    kind: str, letters: tuple[str, ...], depth: int, num_stages: int
) -> None:
    with torch.device("meta"):  # shapes only
        network = network_class(kind)(
            depth, in_channels=4, stem_channels=6, base_channels=2, num_stages=num_stages
        )
    description = describe(shapes_of(network.state_dict()))
    assert description is not None
    assert description.variants == letters
    assert (description.depth, description.num_stages) == (depth, num_stages)
    assert (description.in_channels, description.stem_channels, description.base_channels) == (
        4,
        6,
        2,
    )


def network_class(kind: str) -> type[ResNet]:
    return next(
        description for description in ResNet.__subclasses__() if description.__name__ == kind
    )


def test_blocks_of_no_known_depth_are_said_to_be_so() -> None:
    network = nn.Module()
    network.conv1 = nn.Conv2d(3, 8, 7)
    network.layer1 = nn.Sequential(nn.Module())
    network.layer1[0].conv1 = nn.Conv2d(8, 8, 3)
    description = describe(shapes_of(network.state_dict()))
    assert description is not None
    assert description.depth is None
    assert "unknown depth" in str(description)


@pytest.mark.parametrize(
    ("backbone", "ours"),
    [
        (dict(type="ResNetC"), "ResNetC"),
        (dict(type="mmdet.ResNet", style="pytorch"), "ResNetB"),
        (dict(type="ResNet", style="caffe"), "ResNetA"),
        (dict(type="ResNetV1c"), "ResNetC"),
        (dict(type="ResNetV1d"), "ResNetD"),
        (dict(type="ResNet", deep_stem=True, avg_down=True), "ResNetD"),
        (dict(type="ResNeXt", groups=32), None),
        (dict(type="SwinTransformer"), None),
    ],
)
def test_configs_of_mm_resnets_have_an_equivalent_of_ours(
    backbone: dict[str, object], ours: str | None
) -> None:
    assert equivalent_type(backbone) == ours
