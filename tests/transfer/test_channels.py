"""Channels that follow from the backbone, whatever their key."""

from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

import bag_of_transfer.detection  # noqa: F401  before mmdet
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.config.channels import derive_channels
from bag_of_transfer.transfer.config.config_writer import Settings

OLD, NEW = (256, 512, 1024, 2048), (32, 64, 128, 256)


def derived(
    scope: str = "mmdet", out_indices: tuple[int, ...] = (0, 1, 2, 3), **parts: Any
) -> Config:
    cfg = Config(dict(model=dict(backbone=dict(out_indices=out_indices), **parts)))
    with DefaultScope.overwrite_default_scope(scope):
        derive_channels(Settings(cfg, set(), "the card"), NEW, OLD)
    return cfg.model


@pytest.mark.parametrize(
    ("out_indices", "stated", "wanted"),
    [
        ((0, 1, 2, 3), [256, 512, 1024, 2048], [32, 64, 128, 256]),
        ((1, 2, 3), [512, 1024, 2048], [64, 128, 256]),
        ((3,), [2048], [256]),
        ((3,), 2048, 256),  # YOLOF's DilatedEncoder
        ((0, 1, 2, 3), 2048, 256),  # CenterNet's CTResNetNeck takes the last
        ((0, 1, 2, 3), [512, 1024, 2048], [64, 128, 256]),  # drops the first itself
        ((0, 1, 2, 3), [7, 7, 7, 7], [32, 64, 128, 256]),  # what stood there says nothing
    ],
)
def test_a_neck_reads_the_maps_of_out_indices(
    out_indices: tuple[int, ...], stated: Any, wanted: Any
) -> None:
    neck = dict(type="FPN", in_channels=stated, out_channels=256)
    model = derived(out_indices=out_indices, neck=neck, bbox_head=dict(in_channels=256))
    assert model.neck == dict(type="FPN", in_channels=wanted, out_channels=256)
    assert model.bbox_head.in_channels == 256  # of the neck


def test_only_the_first_of_several_necks_reads_the_backbone() -> None:
    necks = [dict(type="FPN", in_channels=list(OLD)), dict(type="BFP", in_channels=256)]
    model = derived(neck=necks)
    assert [neck.in_channels for neck in model.neck] == [list(NEW), 256]


@pytest.mark.parametrize("name", ["panoptic_head", "track_head", "decode_head"])
def test_a_head_that_lists_its_maps_reads_all_of_them(name: str) -> None:
    head = dict(
        type="MaskFormerHead",
        in_channels=list(OLD),
        feat_channels=256,
        out_channels=256,
        transformer_decoder=dict(in_channels=512, feedforward_channels=2048),
    )
    model = derived(**{name: head})
    assert model[name] == {**head, "in_channels": list(NEW)}


def test_heads_read_the_maps_of_their_in_index() -> None:
    model = derived(
        "mmseg",
        decode_head=[
            dict(in_channels=1024, in_index=2, channels=256),
            dict(in_channels=[512, 2048], in_index=(1, 3), channels=512),
            dict(in_channels=2048, channels=512),
        ],
        auxiliary_head=dict(in_channels=512, in_index=1, channels=256),
    )
    assert [head.in_channels for head in model.decode_head] == [128, [64, 256], 256]
    assert model.auxiliary_head == dict(in_channels=64, in_index=1, channels=256)


@pytest.mark.parametrize(
    ("key", "stated", "wanted"),
    [
        ("c1_in_channels", 256, 32),
        ("c1_in_channels", 0, 0),  # DeepLabV3+ without the first map
        ("c1_in_channels", 48, 32),  # always the first, whatever stood there
        ("low_in_channels", 512, 64),
        ("high_in_channels", 2048, 256),
        ("low_in_channels", 19, 19),  # no stage had so many
        ("c1_channels", 256, 256),  # not of the input
    ],
)
def test_other_inputs_of_a_head_follow_their_stage(key: str, stated: int, wanted: int) -> None:
    head = {"in_channels": 2048, "in_index": 3, key: stated}
    model = derived("mmseg", decode_head=head)
    assert (model.decode_head.in_channels, model.decode_head[key]) == (256, wanted)


def test_a_head_inside_of_a_head_is_told_by_its_in_index() -> None:
    inner = dict(type="PSPHead", in_channels=2048, in_index=3, channels=512)
    update = [dict(in_channels=512, feedforward_channels=2048)]
    head = dict(type="IterativeDecodeHead", kernel_generate_head=inner, kernel_update_head=update)
    model = derived("mmseg", decode_head=head)
    assert model.decode_head.kernel_generate_head.in_channels == 256
    assert model.decode_head.kernel_update_head == update
    assert "in_channels" not in model.decode_head


def test_maps_that_a_neck_hands_on_reach_the_heads_behind_it() -> None:
    neck = dict(type="JPU", in_channels=(512, 1024, 2048), mid_channels=16)
    model = derived(
        "mmseg",
        (1, 2, 3),
        neck=neck,
        decode_head=dict(in_channels=64, in_index=2),
        auxiliary_head=dict(in_channels=1024, in_index=1),
    )
    assert model.neck.in_channels == (64, 128, 256)  # JPU takes no list
    assert model.decode_head.in_channels == 64  # four times mid_channels
    assert model.auxiliary_head.in_channels == 128  # the backbone's


def test_a_teachers_heads_are_not_the_students() -> None:
    model = derived(teacher_bbox_head=dict(in_channels=2048), bbox_head=dict(in_channels=2048))
    assert (model.teacher_bbox_head.in_channels, model.bbox_head.in_channels) == (2048, 256)


@pytest.mark.parametrize("index", [4, -5, [0, 4]])
def test_an_in_index_that_no_map_has_is_the_users_error(index: Any) -> None:
    with pytest.raises(UserError, match="there are 4") as caught:
        derived("mmseg", decode_head=dict(in_channels=[1], in_index=index))
    assert caught.value.where == "model.decode_head.in_index"
