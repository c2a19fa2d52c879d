"""Files of other libraries become backbone files, with cards, or an error that says why."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from backbones.undrawn import WithoutDrawing
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.backbone_file import load_backbone
from bag_of_transfer.transfer.convert.feature_check import fill
from bag_of_transfer.transfer.convert.into_ours import convert_weights
from bag_of_transfer.transfer.convert.out_of_ours import convert_back
from tests.transfer.foreign_names import blob_name, detectron2_name, gluon_name, mmpretrain_d, state
from tests.transfer.mxnet_writer import written

timm_resnet = pytest.importorskip("timm.models.resnet")
Build = Callable[..., nn.Module]
IMAGENET = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375], "RGB")
CAFFE = ([103.53, 116.28, 123.675], [1.0, 1.0, 1.0], "BGR")


def timm_small(letter: str = "D", **kwargs: Any) -> nn.Module:
    """timm's own class, eight channels wide, every tensor filled."""
    settings = dict(
        layers=(3, 4, 6, 3),
        num_classes=5,
        stem_width=4 if letter != "B" else 64,
        stem_type="" if letter == "B" else "deep",
        avg_down=letter == "D",
        channels=(8, 16, 32, 64),
    )
    with WithoutDrawing():
        network: nn.Module = timm_resnet.ResNet(timm_resnet.Bottleneck, **{**settings, **kwargs})
    network.load_state_dict(fill(network.state_dict()))
    return network


def save(tmp_path: Path, tensors: Any, name: str = "theirs.pth") -> Path:
    path = tmp_path / name
    if name.endswith("safetensors"):
        save_file(tensors, path)
    elif name.endswith("pkl"):
        path.write_bytes(pickle.dumps(tensors, protocol=2))
    else:
        torch.save(tensors, path)
    return path


def loaded(small: Build, path: Path) -> nn.Module:
    """What fine-tuning gets: a fresh network, filled from the file and its card."""
    card = read_card(path)
    widths = {name: getattr(card, name) for name in ("depth", "stem_channels", "base_channels")}
    network = small(card.type, seed=9, **widths)
    load_backbone(network, path)
    return network.eval()


def assert_same_maps(ours: nn.Module, theirs: nn.Module) -> None:
    images = torch.rand(1, 3, 65, 97, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        last = theirs.eval()
        x = images
        for name in ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            x = last.get_submodule(name)(x)
        torch.testing.assert_close(ours(images)[3], x)
    assert x.std() > 1e-3


@pytest.mark.parametrize(
    ("letter", "name"),
    [
        ("B", "theirs.pth"),
        ("C", "theirs.pth"),
        ("D", "theirs.pth"),
        ("D", "theirs.safetensors"),
    ],
)
def test_a_timm_file_gives_timms_features(
    tmp_path: Path, small: Build, letter: str, name: str
) -> None:
    theirs = timm_small(letter)
    layout = "timm" if letter == "B" else "auto"
    out = tmp_path / "out.safetensors"
    done = convert_weights(str(save(tmp_path, theirs.state_dict(), name)), out, layout)
    card = read_card(out)
    assert card == done.card
    assert (card.type, card.depth, card.base_channels) == (f"ResNet{letter}", 50, 8)
    assert (card.mean, card.std, card.channel_order) == IMAGENET
    assert (card.tricks, card.metrics, card.dataset, card.seed) == ({}, {}, "unknown", None)
    assert card.source.startswith(f"{name} sha256 ")
    assert_same_maps(loaded(small, out), theirs)
    assert any(line.startswith("checked: the same features as timm's") for line in done.lines)


def test_every_tensor_is_accounted_for(tmp_path: Path) -> None:
    tensors = {f"module.{name}": tensor for name, tensor in timm_small().state_dict().items()}
    tensors["neck.weight"] = torch.ones(1)
    done = convert_weights(str(save(tmp_path, {"state_dict": tensors})), tmp_path / "o.safetensors")
    assert done.lines[:7] == [
        f"read: 333 tensors in the layout of timm, from {tmp_path}/theirs.pth",
        "weights: 'state_dict', 333 tensors",
        "prefix: the names begin with 'module.'",
        "used: 275",
        "left out: 55 counters num_batches_tracked",
        "left out: 2 of the classifier: module.fc.weight, module.fc.bias",
        "left out: 1 outside of the backbone: neck.weight",
    ]
    assert 275 + 55 + 2 + 1 == 333


def test_a_deep_stem_of_64_64_128_is_read_off_the_shapes(tmp_path: Path, small: Build) -> None:
    theirs = timm_small("C", stem_width=8)  # as in resnet50s: stem 8-8-16 before 8 channels
    out = tmp_path / "out.safetensors"
    card = convert_weights(str(save(tmp_path, theirs.state_dict())), out).card
    assert (card.type, card.stem_channels, card.base_channels) == ("ResNetC", 16, 8)
    assert_same_maps(loaded(small, out), theirs)


def test_a_gluon_file_gives_the_features_of_its_port(tmp_path: Path, small: Build) -> None:
    theirs = timm_small("D")
    arrays = {
        name if name.startswith("fc.") else gluon_name(name, tensor): tensor.numpy()
        for name, tensor in theirs.state_dict().items()
        if not name.endswith("tracked")
    }
    path, out = tmp_path / "resnet50_v1d-00319ddc.params", tmp_path / "out.safetensors"
    path.write_bytes(written(arrays))
    done = convert_weights(str(path), out)
    assert "layout of gluon" in done.lines[0]
    assert (done.card.mean, done.card.std, done.card.channel_order) == IMAGENET
    assert_same_maps(loaded(small, out), theirs)
    assert any(line.startswith("checked: ") for line in done.lines)


def test_an_mmpretrain_checkpoint_with_its_config_as_text(tmp_path: Path, small: Build) -> None:
    ours = state(small())
    theirs = {f"backbone.{k}": v for k, v in mmpretrain_d(ours, ("layer1",)).items()}
    theirs |= {"head.fc.weight": torch.ones(5, 256), "head.fc.bias": torch.ones(5)}
    meta = {"config": "model = dict()", "epoch": 100, "CLASSES": ("a", "b")}
    path, out = save(tmp_path, {"meta": meta, "state_dict": theirs}), tmp_path / "o.safetensors"
    done = convert_weights(str(path), out)
    assert done.lines[1:5] == [
        "weights: 'state_dict', 277 tensors",
        "prefix: the names begin with 'backbone.'",
        "used: 275",
        "left out: 2 of the classifier: head.fc.weight, head.fc.bias",
    ]
    assert (
        "not checked by a forward pass: no implementation of mmpretrain is installed" in done.lines
    )
    assert (done.card.type, done.card.epochs) == ("ResNetD", 100)
    assert all(torch.equal(tensor, ours[name]) for name, tensor in load_file(out).items())


def test_a_plain_mmpretrain_classifier_is_told_by_its_head(tmp_path: Path, small: Build) -> None:
    theirs = {f"backbone.{name}": tensor for name, tensor in state(small("ResNetB")).items()}
    path = save(tmp_path, {**theirs, "head.fc.weight": torch.ones(5, 256)})
    done = convert_weights(str(path), tmp_path / "o.safetensors")
    assert "layout of mmpretrain" in done.lines[0]
    assert (done.card.type, done.card.channel_order) == ("ResNetB", "RGB")


@pytest.mark.parametrize(
    ("author", "kind", "images"),
    [("Caffe2", "ResNetA", CAFFE), ("torchvision", "ResNetB", IMAGENET)],
)
def test_a_detectron2_pickle(
    tmp_path: Path, small: Build, author: str, kind: str, images: tuple[Any, ...]
) -> None:
    ours = state(small(kind))
    arrays = {detectron2_name(name): tensor.numpy() for name, tensor in ours.items()}
    arrays["stem.fc.weight"] = torch.ones(5, 256).numpy()
    contents = {"model": arrays, "__author__": author, "matching_heuristics": True}
    out = tmp_path / "out.safetensors"
    done = convert_weights(str(save(tmp_path, contents, "R-50.pkl")), out)
    assert (done.card.type, done.card.num_tensors) == (kind, 265)
    assert (done.card.mean, done.card.std, done.card.channel_order) == images
    assert "left out: 1 of the classifier: stem.fc.weight" in done.lines
    assert all(torch.equal(tensor, ours[name]) for name, tensor in load_file(out).items())


def test_detectron_blobs_of_scale_and_shift(tmp_path: Path, small: Build) -> None:
    ours = {k: v for k, v in state(small("ResNetA")).items() if "running" not in k}
    arrays = {blob_name(name): tensor.numpy() for name, tensor in ours.items()}
    extra = {"conv1_w_momentum": arrays["conv1_w"], "conv1_b": arrays["res_conv1_bn_b"] * 0}
    extra["fc1000_w"] = torch.ones(5, 256).numpy()
    path = save(tmp_path, {"blobs": {**arrays, **extra}}, "R-50.pkl")
    done = convert_weights(str(path), tmp_path / "o.safetensors")
    assert done.card.num_tensors == 265
    assert done.lines[1:5] == [
        "weights: 'blobs', 162 tensors",
        "used: 159; 106 running statistics added, as the file has only scale and shift",
        "left out: 2 not in detectron2's network: conv1_w_momentum, conv1_b",
        "left out: 1 of the classifier: fc1000_w",
    ]


def test_a_backbone_without_head_must_be_told_caffe_from_pytorch(
    tmp_path: Path, small: Build
) -> None:
    path = str(save(tmp_path, state(small("ResNetA"))))
    with pytest.raises(UserError, match="give --layout mmdet for pytorch, or --layout caffe"):
        convert_weights(path, tmp_path / "o.safetensors")
    for layout, kind, order in (("mmdet", "ResNetB", "RGB"), ("caffe", "ResNetA", "BGR")):
        card = convert_weights(path, tmp_path / f"{layout}.safetensors", layout).card
        assert (card.type, card.channel_order) == (kind, order)


def test_a_detectors_backbone_is_taken_out(tmp_path: Path, small: Build) -> None:
    theirs = {f"backbone.{name}": tensor for name, tensor in small("ResNetD").state_dict().items()}
    theirs["roi_head.bbox_head.fc_cls.weight"] = torch.ones(3)
    done = convert_weights(str(save(tmp_path, theirs)), tmp_path / "o.safetensors")
    assert "left out: 1 outside of the backbone: roi_head.bbox_head.fc_cls.weight" in done.lines
    assert "layout of mmdet" in done.lines[0]


# ---- bad input ----


def test_small_floats_and_a_name_that_no_card_can_hold_are_no_hindrance(tmp_path: Path) -> None:
    tensors = {
        name: tensor.to(torch.float8_e5m2) if tensor.is_floating_point() else tensor
        for name, tensor in timm_small().state_dict().items()
    }
    path = save(tmp_path, tensors, "no\u00a0break.pth")
    card = convert_weights(str(path), tmp_path / "ours.safetensors").card
    assert card.source.startswith("no?break.pth sha256 ")


def drop(name: str) -> Callable[[dict[str, Tensor]], None]:
    return lambda tensors: tensors.__delitem__(name)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (drop("layer3.2.bn2.running_var"), r"1 of 275 tensors do not fit \(1 missing, layer3\.2"),
        (drop("conv1.0.weight"), "conv1 or layer1 is missing"),
        (lambda s: s.update({"layer1.0.se.fc.weight": torch.ones(1)}), "1 tensors are left over"),
        (lambda s: s["bn1.bias"].fill_(torch.nan), r"stem\.7\.bias holds NaN or infinity"),
        (lambda s: s.update({"bn1.bias": torch.ones(8).int()}), r"stem\.7\.bias holds torch\.int"),
        (
            lambda s: [s.pop(k) for k in list(s) if k.startswith("layer4")],
            "only 3 of 4 stages",
        ),
        (
            lambda s: [s.pop(k) for k in list(s) if k.startswith("layer3.5")],
            r"blocks are not those of a supported depth.*of depth 18, ",
        ),
        (
            lambda s: s.update({"conv1.0.weight": torch.ones(4, 4, 3, 3)}),
            "reads images of 4 channels",
        ),
        (lambda s: s.update({"conv1.6.weight": torch.ones(8)}), "or not a convolution"),
        (
            lambda s: s.update({"conv1.6.weight": torch.ones(7, 4, 3, 3)}),
            "our ResNets cannot have these widths",
        ),
        (lambda s: s.update({"layer1.0.gamma": torch.ones(1)}), "1 tensors are left over"),
        (lambda s: s.clear() or s.update({"a.weight": torch.ones(1)}), "the file holds no ResNet"),
    ],
)
def test_weights_that_are_not_whole_or_not_ours_are_refused(
    tmp_path: Path, harm: Callable[[dict[str, Tensor]], Any], message: str
) -> None:
    tensors = timm_small().state_dict()
    harm(tensors)
    path = save(tmp_path, dict(tensors))
    with pytest.raises(UserError, match=message):
        convert_weights(str(path), tmp_path / "out" / "o.safetensors")
    assert not (tmp_path / "out").exists()


def test_a_stem_of_three_widths_is_refused(tmp_path: Path) -> None:
    theirs = timm_small(stem_type="deep_tiered", stem_width=8)  # resnet50t's: 6-8-16 here
    with pytest.raises(UserError, match=r"of another shape, .*stem\.0\.weight 6x3x3x3 in the file"):
        convert_weights(str(save(tmp_path, theirs.state_dict())), tmp_path / "o.safetensors")


def test_a_layout_that_the_names_contradict_is_refused(tmp_path: Path) -> None:
    path = str(save(tmp_path, timm_small().state_dict()))
    with pytest.raises(UserError, match="names are those of timm, not of mmpretrain"):
        convert_weights(path, tmp_path / "o.safetensors", "mmpretrain")


def test_a_misspelt_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'tmim' is not known: --layout: use one of auto, gluon, "):
        convert_weights("resnet50", tmp_path / "out.safetensors", "tmim")
    with pytest.raises(UserError, match=r"'tmim' is not known: --to: use one of mmpretrain, timm"):
        convert_back(tmp_path / "in.safetensors", tmp_path / "out.safetensors", "tmim")


def test_flat_names_of_mxnet_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "old.params"
    arrays = {f"resnetv1d0_{name}": torch.ones(1).numpy() for name in ("conv0_weight", "bn0_gamma")}
    path.write_bytes(written(arrays))
    with pytest.raises(UserError, match=r"names are flat.*write it again with save_parameters"):
        convert_weights(str(path), tmp_path / "o.safetensors")


def test_our_own_checkpoint_is_sent_to_the_exporter(
    tmp_path: Path, small: Build, write_checkpoint: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match=r"a checkpoint of ours.*tools/export_backbone\.py CKPT"):
        convert_weights(str(write_checkpoint(small(depth=18))), tmp_path / "o.safetensors")


def test_an_existing_file_or_card_is_kept(tmp_path: Path) -> None:
    path = str(save(tmp_path, timm_small().state_dict()))
    for name in ("o.safetensors", "p.json"):
        (tmp_path / name).write_text("mine")
        out = (tmp_path / name).with_suffix(".safetensors")
        with pytest.raises(RefusedError, match="the file exists"):
            convert_weights(path, out)
        assert (tmp_path / name).read_text() == "mine"
        assert convert_weights(path, out, force=True).card == read_card(out)


def test_torchvisions_own_network_of_full_width(tmp_path: Path, small: Build) -> None:
    with WithoutDrawing():
        theirs = torchvision.models.resnet18()
    theirs.load_state_dict(fill(theirs.state_dict()))
    out = tmp_path / "out.safetensors"
    done = convert_weights(str(save(tmp_path, theirs.state_dict())), out)
    assert "checked: the same features as torchvision's ResNet in 4 stages" in " ".join(done.lines)
    theirs.act1 = theirs.relu  # timm's name
    assert_same_maps(loaded(small, out), theirs)
    assert (done.card.type, done.card.depth) == ("ResNetB", 18)
