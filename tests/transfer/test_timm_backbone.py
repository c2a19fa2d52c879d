"""A config that takes a file of a network of timm: what stays, is dropped, is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from bag_of_transfer.engine.config.config_file import leaf_keys
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.backbone_file import load_backbone
from bag_of_transfer.transfer.config.apply import apply_backbone, build_parts
from tests.transfer.any_backbone_files import TIMM

CONFIGS = Path(__file__).parents[2] / "configs"
FPN = CONFIGS / "detection/faster-rcnn_fpn_own-voc.py"
FCN = CONFIGS / "segmentation/fcn_d8_own-masks.py"
MOBILENET, INCEPTION = TIMM
STAGES = {MOBILENET: (128, 256, 512, 1024), INCEPTION: (192, 288, 768, 2048)}  # test_adapter.py


def config(path: Path, **backbone: Any) -> Config:
    cfg = Config.fromfile(path, import_custom_modules=False)
    cfg.model.backbone.update(backbone)
    return cfg


def parts(cfg: Config) -> Any:
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return build_parts(cfg.model)[0]


# ---- into a config ----


@pytest.mark.parametrize("name", TIMM)
def test_what_the_config_says_of_training_stays(pretrained_file: Any, name: str) -> None:
    cfg = config(FPN)
    lines = apply_backbone(cfg, pretrained_file(name), leaf_keys(FPN))
    expected = dict(
        type="TimmNetwork",
        name=name,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=True,
        init_cfg=dict(type="BackboneFile", checkpoint=str(pretrained_file(name))),
    )
    assert dict(cfg.model.backbone) == expected | ({"options": TIMM[name]} if TIMM[name] else {})
    assert cfg.model.neck.in_channels == list(STAGES[name])
    assert lines[0] == f"backbone: TimmNetwork {name} from {pretrained_file(name)}"
    assert "model.backbone.type: ResNetD -> TimmNetwork" in lines
    assert "model.backbone.depth: 50 -> dropped" in lines
    assert cfg.backbone_file.sha256 == read_card(pretrained_file(name)).sha256


def test_mobilenet_is_dilated_for_a_segmenter_and_keeps_its_sync_bn(pretrained_file: Any) -> None:
    cfg = config(FCN)
    apply_backbone(cfg, pretrained_file(MOBILENET), leaf_keys(FCN))
    assert cfg.model.backbone.options == dict(act_layer="relu", output_stride=8)
    assert cfg.model.backbone.norm_cfg.type == "SyncBN"
    network = parts(cfg)
    assert sum(isinstance(m, torch.nn.SyncBatchNorm) for m in network.modules()) == 27
    assert "135 of 135" in load_backbone(network, pretrained_file(MOBILENET))
    assert [m.shape[-2:] for m in network.eval()(torch.rand(1, 3, 64, 96))] == [
        (16, 24),
        *[(8, 12)] * 3,
    ]


def test_inception_stays_at_stride_32_for_a_segmenter_and_says_so(pretrained_file: Any) -> None:
    cfg = config(FCN)
    lines = apply_backbone(cfg, pretrained_file(INCEPTION), leaf_keys(FCN))
    assert "options" not in cfg.model.backbone
    (told,) = [line for line in lines if "strides 4, 8, 16, 32" in line]
    assert "the config asks for 4, 8, 8, 8" in told
    assert (cfg.model.decode_head.in_channels, cfg.model.auxiliary_head.in_channels) == (2048, 768)


def test_a_detector_does_not_take_maps_of_other_strides(pretrained_file: Any) -> None:
    dilated = dict(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2))
    with pytest.raises(UserError, match="the config asks for 4, 8, 16, 16"):
        apply_backbone(config(FPN, **dilated), pretrained_file(INCEPTION), set())
    cfg = config(FPN, **dilated)
    apply_backbone(cfg, pretrained_file(MOBILENET), set())
    assert cfg.model.backbone.options.output_stride == 16


def test_fewer_stages_are_no_dilation(pretrained_file: Any) -> None:
    cfg = config(FPN, num_stages=3, out_indices=(1, 2))
    cfg.model.neck.in_channels = [512, 1024]
    apply_backbone(cfg, pretrained_file(MOBILENET), set())
    assert cfg.model.backbone.options == {"act_layer": "relu"}
    assert cfg.model.neck.in_channels == [256, 512]


def test_mmdets_own_config_keeps_its_defaults(pretrained_file: Any) -> None:
    cfg = config(FPN, type="ResNet", style="pytorch")
    del cfg.model.backbone["norm_eval"], cfg.model.backbone["out_indices"]
    lines = apply_backbone(cfg, pretrained_file(MOBILENET), set())
    assert (cfg.model.backbone.norm_eval, cfg.model.backbone.out_indices) == (True, (0, 1, 2, 3))
    assert "model.backbone.style: pytorch -> dropped" in lines


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("type", "ResNetD", "the backbone's card needs 'TimmNetwork'"),
        ("depth", 50, "it is a TimmNetwork mobilenetv1_100"),
        ("in_channels", 4, "the config sets 4"),
        ("in_channels", 3, None),
        ("dcn", dict(type="DCN"), "TimmNetwork does not take dcn"),
        ("norm_cfg", dict(type="GN", num_groups=8), "type BN or SyncBN"),
        ("out_indices", (1, 4), "out_indices"),
    ],
)
def test_the_users_word_against_the_card(
    pretrained_file: Any, key: str, value: Any, message: str | None
) -> None:
    cfg = config(FPN, **{key: value})
    explicit = {f"model.backbone.{key}"}
    if message is None:
        apply_backbone(cfg, pretrained_file(MOBILENET), explicit)
    else:
        with pytest.raises(UserError, match=message):
            apply_backbone(cfg, pretrained_file(MOBILENET), explicit)


# ---- a config that states a network of timm ----


def stated(name: str = "mobilenetv1_100", **more: Any) -> Config:
    cfg = config(FPN)
    cfg.model.backbone = dict(
        type="TimmNetwork", name=name, out_indices=(1, 2, 3), frozen_stages=1, **more
    )
    return cfg


def test_scratch_trains_all_and_derives_the_channels() -> None:
    cfg = stated(pretrained=True)
    lines = apply_backbone(cfg, "scratch", set())
    assert "model.backbone.pretrained: True -> dropped" in lines
    assert cfg.model.neck.in_channels == [256, 512, 1024]
    assert cfg.model.backbone.frozen_stages == -1
    assert all(p.requires_grad for p in parts(cfg).parameters())
    with pytest.raises(UserError, match="mobilenet_v1"):
        apply_backbone(stated("mobilenet_v1"), "scratch", set())
    with pytest.raises(UserError, match="frozen layers would keep random weights"):
        apply_backbone(stated(), "scratch", {"model.backbone.frozen_stages"})


def test_weights_that_timm_fetches_are_named() -> None:
    (line,) = apply_backbone(stated(pretrained=True), None, set())
    assert line.startswith("backbone: mobilenetv1_100 (model.backbone.pretrained")
    with pytest.raises(UserError, match="nothing to start from"):
        apply_backbone(stated(), None, set())


def test_it_takes_the_files_of_other_networks(pretrained_file: Any) -> None:
    cfg = stated(options=dict(output_stride=16))
    apply_backbone(cfg, pretrained_file(MOBILENET), set())
    assert cfg.model.backbone.options == dict(act_layer="relu", output_stride=16)
    assert "norm_eval" not in cfg.model.backbone  # mmdet's default is that of its own ResNets
    cfg = stated()
    apply_backbone(cfg, pretrained_file(INCEPTION), set())
    assert cfg.model.backbone.name == INCEPTION
    cfg = stated(options=dict(act_layer="relu"))
    path = pretrained_file("ResNetB-18")
    lines = apply_backbone(cfg, path, set())
    assert "model.backbone.name: mobilenetv1_100 -> dropped" in lines
    assert cfg.model.neck.in_channels == [16, 32, 64]
    with pytest.raises(UserError, match="the config sets 'mobilenetv1_100'"):
        apply_backbone(stated(), pretrained_file(INCEPTION), {"model.backbone.name"})
