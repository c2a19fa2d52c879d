"""Same weights, same image, another library's network: the same maps."""

import re

import pytest
import torch
from mmengine.registry import MODELS

import backbones  # noqa: F401  registers ResNetA..D
from tests.fast_builds import on_meta

IMAGE = torch.rand(1, 3, 65, 97, generator=torch.Generator().manual_seed(1))  # odd, not square
DILATED = dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))


def shapes_of(cfg):
    """Build one of our networks without values, which ``assert_same_maps`` takes from theirs."""
    with on_meta():
        return MODELS.build(cfg)


def assert_same_maps(ours, theirs, rename=lambda key: key):
    """Give ours the tensors of theirs, strictly, and compare all maps."""
    state = {rename(key): value for key, value in theirs.state_dict().items()}
    ours.load_state_dict(state, assign=True)
    ours.eval()
    theirs.eval()  # mm*'s train() and eval() return None
    with torch.no_grad():
        pairs = list(zip(ours(IMAGE), theirs(IMAGE), strict=True))
    assert len(pairs) == 4
    for a, b in pairs:
        torch.testing.assert_close(a, b)
        assert a.std() > 1e-3  # not two dead networks


def timm_to_ours(key):
    key = re.sub(r"^conv1\.", "stem.", key)  # stem.0, 1, 3, 4, 6
    return re.sub(r"^bn1\.", "stem.7.", key)


@pytest.mark.parametrize(
    "depth", [18, 50, 152, *(pytest.param(d, marks=pytest.mark.slow) for d in (26, 34, 101))]
)
def test_resnet_d_equals_timm(depth, filled):
    timm = pytest.importorskip("timm")
    # All five maps; the first lies behind the stem and none of ours has that name.
    theirs = filled(
        timm.create_model, f"resnet{depth}d", features_only=True, out_indices=(1, 2, 3, 4)
    )
    ours = shapes_of(dict(type="ResNetD", depth=depth))
    assert_same_maps(ours, theirs, timm_to_ours)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("extra", [{}, DILATED], ids=["stride32", "stride8"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("ResNetA", dict(type="ResNet", style="caffe")),
        pytest.param("ResNetB", dict(type="ResNet", style="pytorch"), marks=pytest.mark.slow),
        pytest.param("ResNetC", dict(type="ResNetV1c"), marks=pytest.mark.slow),
        ("ResNetD", dict(type="ResNetV1d")),
    ],
)
def test_each_variant_equals_mmseg(ours, theirs, extra, depth, filled):
    pytest.importorskip("mmseg.models")
    from mmseg.registry import MODELS as MMSEG

    same = dict(depth=depth, base_channels=16, stem_channels=24, **extra)
    same["contract_dilation"] = bool(extra)
    assert_same_maps(
        shapes_of(dict(type=ours, **same)),
        filled(MMSEG.build, dict(**theirs, **same, _scope_="mmseg")),
    )


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("extra", [{}, DILATED], ids=["stride32", "stride8"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("ResNetA", dict(type="ResNet", style="caffe")),
        ("ResNetB", dict(type="ResNet", style="pytorch")),
        ("ResNetD", dict(type="ResNetV1d")),  # mmdet has no V1c
    ],
)
def test_each_variant_equals_mmdet(ours, theirs, extra, depth, filled):
    pytest.importorskip(
        "bag_of_transfer.detection"
    )  # makes mmdet importable without compiled operators
    pytest.importorskip("mmdet.models")
    from mmdet.registry import MODELS as MMDET

    same = dict(depth=depth, base_channels=16, **extra)
    assert_same_maps(
        shapes_of(dict(type=ours, **same)),
        filled(MMDET.build, dict(**theirs, **same, _scope_="mmdet")),
    )


@pytest.mark.parametrize("depth", [pytest.param(101, marks=pytest.mark.slow), 152])
def test_deep_dilated_resnet_d_equals_mmseg(depth, filled):
    pytest.importorskip("mmseg.models")
    from mmseg.registry import MODELS as MMSEG

    same = dict(depth=depth, base_channels=8, contract_dilation=True, stem_channels=8, **DILATED)
    assert_same_maps(
        shapes_of(dict(type="ResNetD", **same)),
        filled(MMSEG.build, dict(type="ResNetV1d", **same, _scope_="mmseg")),
    )


@pytest.mark.parametrize("depth", [18, 50])
def test_a_multi_grid_equals_mmsegs(depth, filled):
    pytest.importorskip("mmseg.models")
    from mmseg.registry import MODELS as MMSEG

    grid = (1, 2, 4, 1, 3, 2)  # the last stage may have fewer blocks
    same = dict(depth=depth, base_channels=8, stem_channels=8, multi_grid=grid, **DILATED)
    assert_same_maps(
        shapes_of(dict(type="ResNetD", **same)),
        filled(MMSEG.build, dict(type="ResNetV1d", **same, _scope_="mmseg")),
    )


@pytest.mark.parametrize("grid", [(1, 2), (0, 1, 1), ()])
def test_a_multi_grid_has_a_dilation_for_each_block(grid):
    with pytest.raises(ValueError, match="multi_grid must be 3 numbers"):
        MODELS.build(dict(type="ResNetD", depth=50, base_channels=8, multi_grid=grid))


def test_group_norm_has_the_names_and_values_of_mmseg(filled):
    pytest.importorskip("mmseg.models")
    from mmseg.registry import MODELS as MMSEG

    same = dict(depth=50, base_channels=8, stem_channels=8)
    same["norm_cfg"] = dict(type="GN", num_groups=4)
    assert_same_maps(
        shapes_of(dict(type="ResNetB", **same)),
        filled(MMSEG.build, dict(type="ResNet", **same, _scope_="mmseg")),
    )


def test_training_mode_equals_mmseg_in_maps_and_running_statistics(filled):
    pytest.importorskip("mmseg.models")
    from mmseg.registry import MODELS as MMSEG

    same = dict(depth=50, base_channels=8, stem_channels=8)
    ours = filled(MODELS.build, dict(type="ResNetD", **same))
    theirs = filled(MMSEG.build, dict(type="ResNetV1d", **same, _scope_="mmseg"))
    ours.train()
    theirs.train()
    ours.load_state_dict(theirs.state_dict())
    images = torch.cat([IMAGE, IMAGE.flip(2)])
    for a, b in zip(ours(images), theirs(images), strict=True):
        torch.testing.assert_close(a, b)
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value)


@pytest.mark.parametrize(("depth", "equal"), [(18, True), (34, True), (50, False)])
def test_a_equals_b_only_where_blocks_have_no_1x1(depth, equal, filled):
    a = filled(MODELS.build, dict(type="ResNetA", depth=depth, base_channels=8)).eval()
    b = filled(MODELS.build, dict(type="ResNetB", depth=depth, base_channels=8)).eval()
    b.load_state_dict(a.state_dict())
    with torch.no_grad():
        assert torch.equal(a(IMAGE)[3], b(IMAGE)[3]) is equal
