from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModule
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_file import load_backbone
from bag_of_transfer.transfer.mismatch import BackboneMismatchError

Build, Write = Callable[..., nn.Module], Callable[..., Path]


def rewrite(path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Path:
    """Change the tensors of a file and leave its card."""
    save_file({name: tensor.clone() for name, tensor in change(load_file(path)).items()}, path)
    return path


def state(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: tensor.clone()
        for name, tensor in module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("kind", ["ResNetA", "ResNetB", "ResNetC", "ResNetD"])
def test_what_was_exported_is_loaded_bit_by_bit(
    small: Build, backbone_file: Write, kind: str
) -> None:
    source, target = small(kind).eval(), small(kind, seed=1).eval()
    line = load_backbone(target, backbone_file(kind))
    assert_same(state(target), state(source))
    image = torch.rand(1, 3, 65, 97)
    for ours, theirs in zip(target(image), source(image), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.std() > 0
    count = len(state(source))
    assert line.startswith(f"backbone: {count} of {count} tensors from ")
    assert "(sha256 " in line


def test_resnet_50_d_has_275_tensors(small: Build, backbone_file: Write) -> None:
    assert "275 of 275" in load_backbone(small(), backbone_file())


# ---- mismatches ----


def nested(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def without_three(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    gone = ("stem.0.weight", "layer2.0.conv1.weight", "layer4.2.bn3.bias")
    return {name: tensor for name, tensor in tensors.items() if name not in gone}


def as_timm(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    names = {"stem.7": "bn1", "stem.": "conv1."}
    return {renamed(name, names): tensor for name, tensor in tensors.items()}


def as_mmpretrain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    parts = [(3 * i + j, f"{i}.{part}") for i in range(3) for j, part in enumerate(["conv", "bn"])]
    stem = {f"stem.{ours}.": f"stem.{theirs}." for ours, theirs in parts}
    shortcut = {"layer1.0.downsample.1": "layer1.0.downsample.0"}
    shortcut |= {"layer1.0.downsample.2": "layer1.0.downsample.1"}
    return {f"backbone.{renamed(name, stem | shortcut)}": t for name, t in tensors.items()}


def renamed(name: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def with_classifier(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**tensors, "fc.weight": torch.ones(2, 2), "fc.bias": torch.ones(2)}


@pytest.mark.parametrize(
    ("change", "message", "mend"),
    [
        (
            without_three,
            r"3 of 275 tensors do not fit \(3 missing, stem.0.weight, layer2.0.conv1.weight, "
            r"layer4.2.bn3.bias\)",
            "the file is incomplete",
        ),
        (
            lambda tensors: nested(tensors, "backbone."),
            r"275 of 275 tensors do not fit \(275 missing, first stem.0.weight, .*; "
            r"275 left over, first backbone",
            "the names begin with 'backbone.': make a backbone file",
        ),
        (lambda tensors: nested(tensors, "module."), "275 of 275", "begin with 'module.'"),
        (
            lambda tensors: {**nested(tensors, "module.backbone."), "steps": torch.tensor(3)},
            "275 of 275",
            "EMA branch",
        ),
        (lambda tensors: nested(tensors, "model."), "275 of 275", "begin with 'model.'"),
        # timm: the stem's 15 tensors have other names, all others the same.
        (as_timm, "15 of 275", "the layout is timm's"),
        (as_mmpretrain, "275 of 275", "begin with 'backbone.'; the layout is mmpretrain's"),
        (with_classifier, "2 tensors are left over beside 275 that fit", "torchvision's"),
    ],
    ids=["not-whole", "backbone", "module", "ema", "model", "timm", "mmpretrain", "torchvision"],
)
def test_the_error_counts_names_and_says_the_likely_mend(
    small: Build,
    backbone_file: Write,
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    message: str,
    mend: str,
) -> None:
    target = small(seed=1)
    before = state(target)
    path = rewrite(backbone_file(), change)
    with pytest.raises(BackboneMismatchError, match=message) as caught:
        load_backbone(target, path)
    assert mend in caught.value.mend
    assert caught.value.where == str(path)
    assert caught.value.exit_code == 2
    assert_same(state(target), before)  # nothing was loaded


@pytest.mark.parametrize(
    ("target", "mend"),
    [
        (dict(depth=101), "another depth: the file is ResNet-D-50 (stem 8, base 8), the network"),
        (dict(kind="ResNetB"), "another variant: "),
        (dict(kind="ResNetC", depth=18), "another variant and depth: "),
        (dict(base_channels=16), "another base_channels: "),
        (dict(in_channels=4), "another in_channels: "),
    ],
    ids=["depth", "variant", "both", "width", "channels"],
)
def test_a_file_of_another_network_is_told_by_its_shapes(
    small: Build, backbone_file: Write, target: dict[str, Any], mend: str
) -> None:
    with pytest.raises(BackboneMismatchError) as caught:
        load_backbone(small(**target), backbone_file())
    assert mend in caught.value.mend


def test_a_and_b_are_told_apart_by_the_card(small: Build, backbone_file: Write) -> None:
    path = backbone_file("ResNetA")
    with pytest.raises(BackboneMismatchError, match="file is a ResNetA and the network a ResNetB"):
        load_backbone(small("ResNetB"), path)
    # ... where they differ: basic blocks have no 1x1 that could take the stride.
    of_bottlenecks = backbone_file("ResNetA", name="of_bottlenecks", depth=26)
    with pytest.raises(BackboneMismatchError, match="file is a ResNetA and the network a ResNetB"):
        load_backbone(small("ResNetB", depth=26), of_bottlenecks)
    shallow = backbone_file("ResNetA", name="shallow", depth=18)
    assert "of" in load_backbone(small("ResNetB", depth=18), shallow)


def test_group_norm_is_named_as_the_reason(small: Build, backbone_file: Write) -> None:
    target = small(norm_cfg=dict(type="GN", num_groups=2))
    with pytest.raises(BackboneMismatchError, match="has group norms"):
        load_backbone(target, backbone_file())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (dict(type="GN", num_groups=4), dict(type="GN", num_groups=2)),
        (dict(type="GN", num_groups=4), dict(type="GN", num_groups=4, eps=1e-3)),
        (dict(type="BN", eps=1e-3), dict(type="BN")),
        (dict(type="BN"), dict(type="SyncBN", eps=1e-3)),
    ],
)
def test_norms_that_compute_something_else_are_refused(
    small: Build, backbone_file: Write, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    path = backbone_file(depth=18, norm_cfg=ours)
    assert "of" in load_backbone(small(depth=18, norm_cfg=ours), path)
    target = small(depth=18, norm_cfg=theirs, seed=1)
    before = state(target)
    with pytest.raises(BackboneMismatchError, match="all tensors fit, but the file's norms are"):
        load_backbone(target, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state(target).items())


def test_a_checkpoint_is_told_to_be_one(small: Build, write_checkpoint: Write) -> None:
    path = write_checkpoint(small())
    with pytest.raises(BackboneMismatchError, match="weights are under 'state_dict'") as caught:
        load_backbone(small(), path)
    assert "export_backbone.py CKPT OUT.safetensors" in caught.value.mend


def test_changed_bytes_are_found_before_anything_is_loaded(
    small: Build, backbone_file: Write
) -> None:
    target = small(seed=1)
    before = state(target)
    path = rewrite(backbone_file(), lambda tensors: {k: v + 1 for k, v in tensors.items()})
    with pytest.raises(UserError, match="not the card's file"):
        load_backbone(target, path)
    assert_same(state(target), before)


# ---- C4: three stages and a shared head ----


def test_three_stages_and_the_shared_head_take_the_whole_file(
    small: Build, backbone_file: Write
) -> None:
    from bag_of_transfer.detection.shared_head import ResNetStage4

    source = small()
    backbone = small(seed=1, num_stages=3, out_indices=(2,))
    head = ResNetStage4("ResNetD", 50, base_channels=8)
    line = load_backbone(backbone, backbone_file(), head)
    assert line.startswith("backbone and shared head: 275 of 275 tensors")
    assert_same(state(backbone) | state(head), state(source))


def test_without_a_shared_head_the_line_says_how_many_were_used(
    small: Build, backbone_file: Write
) -> None:
    backbone = small(seed=1, num_stages=3, out_indices=(2,))
    num_stage4 = sum(name.startswith("layer4.") for name in state(small()))
    assert f"{275 - num_stage4} of 275" in load_backbone(backbone, backbone_file())


def test_a_file_with_three_stages_does_not_fit_four(small: Build, backbone_file: Write) -> None:
    path = backbone_file(num_stages=3, name="three")
    with pytest.raises(BackboneMismatchError, match="another num_stages"):
        load_backbone(small(), path)


# ---- the initialiser ----


class Detector(BaseModule):
    """Backbone and shared head where mmdet has them."""

    def __init__(self, backbone: nn.Module, head: nn.Module, init_cfg: dict[str, Any]) -> None:
        super().__init__(init_cfg)
        self.backbone, self.roi_head = backbone, BaseModule()
        self.roi_head.shared_head = head


def test_init_cfg_wins_over_every_other_initialisation(small: Build, backbone_file: Write) -> None:
    path = backbone_file()
    init_cfg = dict(type="BackboneFile", checkpoint=str(path))
    target = small(seed=1, init_cfg=init_cfg, zero_init_residual=True)
    target.init_weights()
    assert_same(state(target), state(small()))
    target.init_weights()  # a second call changes nothing
    assert_same(state(target), state(small()))


@pytest.mark.parametrize("library", ["mmdet", "mmseg"])
def test_mm_backbones_are_filled_too(
    library: str, small: Build, backbone_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bag_of_transfer.detection  # noqa: F401  stands in for mmcv's operators

    backbones = pytest.importorskip(f"{library}.models.backbones")
    init_cfg = dict(type="BackboneFile", checkpoint=str(backbone_file()))
    target = backbones.ResNetV1d(
        depth=50, base_channels=8, stem_channels=8, frozen_stages=1, init_cfg=init_cfg
    )
    target.init_weights()
    assert_same(state(target), state(small()))


def test_children_do_not_undo_the_loading(small: Build, backbone_file: Write) -> None:
    class Careless(BaseModule):
        """Initialises itself, as mmdet's blocks do with zero gamma."""

        def init_weights(self) -> None:
            for parameter in self.parameters():
                nn.init.zeros_(parameter)

    class Outer(type(small())):  # type: ignore[misc]
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            careless = Careless()
            for name, child in self.layer1.named_children():
                careless.add_module(name, child)
            self.layer1 = careless

    init_cfg = dict(type="BackboneFile", checkpoint=str(backbone_file()))
    target = Outer(depth=50, base_channels=8, stem_channels=8, init_cfg=init_cfg)
    target.init_weights()
    assert_same(state(target), state(small()))


def test_in_a_whole_model_both_parts_are_counted_together(
    small: Build, backbone_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bag_of_transfer.detection.shared_head import ResNetStage4

    messages: list[str] = []
    monkeypatch.setattr(
        "bag_of_transfer.transfer.backbone_file.print_log",
        lambda text, logger=None: messages.append(text),
    )
    backbone = small(seed=1, num_stages=3, out_indices=(2,))
    head = ResNetStage4("ResNetD", 50, base_channels=8)
    model = Detector(backbone, head, dict(type="BackboneFile", checkpoint=str(backbone_file())))
    model.init_weights()
    assert_same(state(backbone) | state(head), state(small()))
    assert [line[:45] for line in messages] == ["backbone and shared head: 275 of 275 tensors "]


def test_a_mismatch_stops_init_weights(small: Build, backbone_file: Write) -> None:
    target = small(depth=18, init_cfg=dict(type="BackboneFile", checkpoint=str(backbone_file())))
    with pytest.raises(BackboneMismatchError, match="another depth"):
        target.init_weights()
