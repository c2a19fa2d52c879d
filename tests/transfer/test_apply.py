import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from bag_of_transfer.detection.shared_head import ResNetStage4
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.backbone_file import load_backbone
from bag_of_transfer.transfer.config.apply import apply_backbone, build_parts

Write = Callable[..., Path]
CONFIGS = Path(__file__).parents[2] / "configs"
FPN, C4 = "faster-rcnn_r50_fpn.py", "faster-rcnn_r50-caffe-c4.py"


def upstream(library: str, name: str) -> Config:
    """Load one of the library's own model files as it is."""
    pytest.importorskip(library)
    import mmengine

    root = Path(__import__(library).__file__).parent / ".mim" / "configs" / "_base_" / "models"
    cfg = mmengine.Config.fromfile(root / name)
    cfg.default_scope = library
    return cfg


def fits(cfg: Config, path: Path) -> str:
    """Build what would be built and load the file into it."""
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        backbone, head = build_parts(cfg.model)
    return load_backbone(backbone, path, head)


# ---- a file ----


def test_in_a_fresh_process_the_file_can_be_loaded_as_the_config_says() -> None:
    code = (
        "from bag_of_transfer.transfer.config import apply\n"
        "from mmengine.registry import WEIGHT_INITIALIZERS\n"
        "sys.exit('BackboneFile' not in WEIGHT_INITIALIZERS)"
    )
    call = [sys.executable, "-c", f"import sys\n{code}"]
    assert subprocess.run(call, cwd=CONFIGS.parent).returncode == 0


def test_an_unmodified_mmdet_fpn_config_takes_type_widths_and_channels(
    backbone_file: Write,
) -> None:
    cfg = upstream("mmdet", FPN)
    path = backbone_file("ResNetD")
    lines = apply_backbone(cfg, path, set())
    backbone = cfg.model.backbone
    assert dict(backbone) == dict(
        type="ResNetD",
        depth=50,
        in_channels=3,
        stem_channels=8,
        base_channels=8,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=True,
        init_cfg=dict(type="BackboneFile", checkpoint=str(path)),
    )
    # 8 channels in stage 1's blocks, times 4 (bottleneck), doubled per stage.
    assert cfg.model.neck.in_channels == [32, 64, 128, 256]
    assert cfg.model.rpn_head.in_channels == 256  # of the pyramid: left alone
    assert cfg.model.data_preprocessor.mean == [123.68, 116.779, 103.939]
    assert cfg.model.data_preprocessor.bgr_to_rgb is True
    assert any("model.backbone.type: ResNet -> ResNetD" in line for line in lines)
    assert any("style" in line and "dropped" in line for line in lines)
    assert cfg.backbone_file.sha256
    assert "275 of 275" in fits(cfg, path)


def test_an_unmodified_mmdet_c4_config_gets_our_shared_head(backbone_file: Write) -> None:
    cfg = upstream("mmdet", C4)
    path = backbone_file("ResNetD")
    apply_backbone(cfg, path, set())
    head = cfg.model.roi_head.shared_head
    assert (head.type, head.variant, head.depth, head.base_channels, head.stride) == (
        ("ResNetStage4", "ResNetD", 50, 8, 2)
    )
    assert (head.norm_eval, head.norm_cfg.requires_grad) == (True, False)
    assert "init_cfg" not in head
    assert cfg.model.rpn_head.in_channels == 128
    assert cfg.model.roi_head.bbox_roi_extractor.out_channels == 128
    assert cfg.model.roi_head.bbox_head.in_channels == 256
    assert cfg.model.data_preprocessor.bgr_to_rgb is True  # caffe weights wanted BGR
    assert cfg.model.init_cfg == dict(type="BackboneFile", checkpoint=str(path))
    assert "backbone and shared head: 275 of 275" in fits(cfg, path)


def test_an_unmodified_mmseg_fcn_config_takes_the_file(backbone_file: Write) -> None:
    cfg = upstream("mmseg", "fcn_r50-d8.py")
    path = backbone_file("ResNetB", depth=18)
    apply_backbone(cfg, path, set())
    assert "pretrained" not in cfg.model
    backbone = cfg.model.backbone
    assert (backbone.type, backbone.depth) == ("ResNetB", 18)
    assert backbone.dilations == (1, 1, 2, 4)
    assert (backbone.contract_dilation, backbone.norm_eval) == (True, False)
    assert cfg.model.decode_head.in_channels == 64  # 8 x 8, basic blocks
    assert cfg.model.auxiliary_head.in_channels == 32
    count = (1 + 16 + 3) * 5  # stem, blocks, shortcuts: a weight and four of its BN each
    assert f"{count} of {count}" in fits(cfg, path)


@pytest.mark.parametrize(
    ("name", "in_channels"),
    [("upernet_r50.py", [32, 64, 128, 256]), ("fcn_unet_s5-d16.py", None)],
)
def test_several_inputs_are_derived_by_their_indices(
    backbone_file: Write, name: str, in_channels: list[int] | None
) -> None:
    cfg = upstream("mmseg", name)
    if in_channels is None:  # a U-Net is no ResNet: its settings have no meaning in ours
        with pytest.raises(UserError, match="UNet is not a ResNet"):
            apply_backbone(cfg, backbone_file(), set())
    else:
        apply_backbone(cfg, backbone_file(), set())
        assert cfg.model.decode_head.in_channels == in_channels


@pytest.mark.parametrize(
    "name",
    [
        "detection/faster-rcnn_fpn_1x_voc.py",
        "detection/faster-rcnn_c4_paper_voc.py",
        "segmentation/fcn_d8_paper_ade20k.py",
    ],
)
def test_our_own_configs_take_a_slim_file_of_another_depth(backbone_file: Write, name: str) -> None:
    cfg = Config.fromfile(CONFIGS / name, import_custom_modules=False)
    path = backbone_file("ResNetD", depth=34)
    apply_backbone(cfg, path, set())
    assert "of" in fits(cfg, path)
    assert cfg.model.backbone.depth == 34


def test_a_bgr_card_turns_the_swap_off(backbone_file: Write) -> None:
    preprocessor = {"type": "ImgDataPreprocessor", "bgr_to_rgb": False}
    preprocessor |= {"mean": [1.0, 2, 3], "std": [4.0, 5, 6]}
    cfg = upstream("mmdet", FPN)
    apply_backbone(cfg, backbone_file(preprocessor=preprocessor), set())
    assert cfg.model.data_preprocessor.bgr_to_rgb is False
    assert cfg.model.data_preprocessor.std == [4.0, 5.0, 6.0]


def test_a_file_in_init_cfg_must_be_normalised_as_its_card_says(backbone_file: Write) -> None:
    path = backbone_file()
    cfg = upstream("mmdet", FPN)
    apply_backbone(cfg, path, set())
    assert len(apply_backbone(cfg, None, set())) == 1
    for key, value in (("std", [1.0, 1.0, 1.0]), ("mean", None), ("bgr_to_rgb", False)):
        other = copy.deepcopy(cfg)
        other.model.data_preprocessor[key] = value
        with pytest.raises(UserError, match=r"needs .*name the file by --backbone") as caught:
            apply_backbone(other, None, set())
        assert caught.value.where == f"model.data_preprocessor.{key}"
    cfg.model.backbone.init_cfg.checkpoint = "gone.safetensors"  # a resumed run needs it no more
    assert len(apply_backbone(cfg, None, set())) == 1


def test_deformable_convolutions_are_not_dropped_silently(backbone_file: Write) -> None:
    cfg = upstream("mmdet", FPN)
    cfg.model.backbone.dcn = dict(type="DCN", deform_groups=1)
    with pytest.raises(UserError, match="ResNetD does not take dcn"):
        apply_backbone(cfg, backbone_file(), set())


def test_norms_of_another_kind_than_the_files_are_refused_before_any_loading(
    backbone_file: Write,
) -> None:
    cfg = upstream("mmdet", FPN)
    cfg.model.backbone.norm_cfg = dict(type="GN", num_groups=4, requires_grad=True)
    with pytest.raises(UserError, match="normalises by GN, the file's by BN"):
        apply_backbone(cfg, backbone_file(), set())
    path = backbone_file(norm_cfg=dict(type="GN", num_groups=4), name="gn")
    with pytest.raises(UserError, match="normalises by BN, the file's by GN"):
        apply_backbone(upstream("mmdet", FPN), path, set())


EPS, GROUPS = dict(type="BN", eps=1e-3), dict(type="GN", num_groups=4)


def test_eps_and_groups_of_norms_are_those_of_the_file(backbone_file: Write) -> None:
    cfg = upstream("mmdet", FPN)
    lines = apply_backbone(cfg, backbone_file(norm_cfg=EPS), set())
    assert cfg.model.backbone.norm_cfg == dict(type="BN", requires_grad=True, eps=1e-3)
    assert "model.backbone.norm_cfg.eps: 0.001" in lines
    for choice in (backbone_file(), backbone_file(norm_cfg=EPS)):
        cfg = upstream("mmdet", FPN)
        del cfg.model.backbone["norm_cfg"]
        apply_backbone(cfg, choice, set())
        plain = read_card(choice).norm is None
        assert cfg.model.backbone.get("norm_cfg") == (
            None if plain else EPS | {"requires_grad": True}
        )
    cfg = upstream("mmdet", FPN)
    cfg.model.backbone.norm_cfg = dict(GROUPS, num_groups=8)
    lines = apply_backbone(cfg, backbone_file(norm_cfg=GROUPS), set())
    assert cfg.model.backbone.norm_cfg == GROUPS
    assert "model.backbone.norm_cfg.num_groups: 8 -> 4" in lines


@pytest.mark.parametrize(("stated", "in_file"), [(1e-3, dict(type="BN")), (1e-5, EPS)])
def test_an_eps_that_the_user_states_is_an_error_where_it_disagrees(
    backbone_file: Write, stated: float, in_file: dict[str, Any]
) -> None:
    cfg, key = upstream("mmdet", FPN), "model.backbone.norm_cfg.eps"
    cfg.model.backbone.norm_cfg.eps = stated
    with pytest.raises(UserError, match=f"sets {stated}, but .* needs .*: {key}"):
        apply_backbone(cfg, backbone_file(norm_cfg=in_file), {key})
    apply_backbone(cfg, backbone_file(norm_cfg=in_file), set())  # of a base
    assert cfg.model.backbone.norm_cfg.eps == in_file.get("eps", 1e-5)


def test_the_shared_head_has_the_norms_of_the_file(backbone_file: Write) -> None:
    cfg = upstream("mmdet", C4)
    del cfg.model.roi_head.shared_head["norm_cfg"]
    apply_backbone(cfg, backbone_file(norm_cfg=EPS), set())
    assert cfg.model.roi_head.shared_head.norm_cfg == EPS | {"requires_grad": False}


def test_older_files_of_group_norms_take_the_groups_of_the_config(backbone_file: Write) -> None:
    path = backbone_file(norm_cfg=GROUPS)
    card = json.loads(path.with_suffix(".json").read_text())
    assert card.pop("norm") == GROUPS | {"eps": 1e-5}
    path.with_suffix(".json").write_text(json.dumps(card))
    cfg = upstream("mmdet", FPN)
    cfg.model.backbone.norm_cfg = dict(GROUPS, num_groups=8)
    apply_backbone(cfg, path, set())
    assert cfg.model.backbone.norm_cfg.num_groups == 8


def test_mmdets_default_of_norm_eval_is_kept(backbone_file: Write) -> None:
    cfg = upstream("mmdet", FPN)
    del cfg.model.backbone["norm_eval"]
    apply_backbone(cfg, backbone_file(), set())
    assert cfg.model.backbone.norm_eval is True


# ---- the user's word ----

STATED = (
    "model.backbone.type",
    "model.neck.in_channels",
    "model.data_preprocessor.mean",
)


@pytest.mark.parametrize(
    ("key", "value", "agrees"),
    [
        ("model.backbone.depth", 50, True),
        ("model.backbone.depth", 101, False),
        ("model.backbone.type", "ResNetD", True),
        ("model.backbone.type", "ResNetV1d", True),
        ("model.backbone.type", "ResNet", False),
        ("model.backbone.base_channels", 64, False),
        ("model.neck.in_channels", [32, 64, 128, 256], True),
        ("model.neck.in_channels", [256, 512, 1024, 2048], False),
        ("model.data_preprocessor.mean", [123.675, 116.78, 104.0], True),
        ("model.data_preprocessor.mean", [123.675, 116.28, 103.53], False),
        ("model.data_preprocessor.std", [58.395, 57.12, 57.375], True),
        ("model.data_preprocessor.std", [1.0, 1.0, 1.0], False),
        ("model.data_preprocessor.bgr_to_rgb", False, False),
    ],
)
def test_an_explicit_value_must_agree_and_a_base_value_gives_way(
    backbone_file: Write, key: str, value: Any, agrees: bool
) -> None:
    path = backbone_file()

    def config() -> Config:
        cfg = upstream("mmdet", FPN)
        cfg.merge_from_dict({key: value})
        return cfg

    apply_backbone(config(), path, set())
    containers = {key.rsplit(".", 1)[0], "model"}  # a leaf's keys name these, too
    if agrees:
        apply_backbone(config(), path, {key} | containers)
    else:
        with pytest.raises(UserError, match="the config sets") as caught:
            apply_backbone(config(), path, {key} | containers)
        assert caught.value.where == key


def test_mmsegs_preprocessor_variable_counts_as_explicit(backbone_file: Write) -> None:
    cfg = upstream("mmseg", "fcn_r50-d8.py")
    cfg.model.data_preprocessor.mean = [0.0, 0.0, 0.0]
    with pytest.raises(UserError, match="the config sets"):
        apply_backbone(cfg, backbone_file(), {"data_preprocessor.mean"})


def test_load_from_would_overwrite_the_backbone(backbone_file: Write) -> None:
    cfg = upstream("mmdet", FPN)
    cfg.load_from = "detector.pth"
    with pytest.raises(UserError, match="would overwrite the backbone"):
        apply_backbone(cfg, backbone_file(), {"load_from"})


@pytest.mark.parametrize("choice", ["file", "scratch"])
def test_load_from_of_a_base_gives_way_and_is_told(backbone_file: Write, choice: str) -> None:
    cfg = upstream("mmdet", FPN)
    cfg.load_from = "https://example.org/coco.pth"
    lines = apply_backbone(cfg, choice if choice == "scratch" else backbone_file(), set())
    assert cfg.load_from is None
    assert any(line.startswith("load_from: https://example.org/coco.pth") for line in lines)


def test_all_that_disagrees_is_told_at_once(backbone_file: Write) -> None:
    cfg = upstream("mmdet", FPN)
    with pytest.raises(UserError, match="disagrees with 3 values") as caught:
        apply_backbone(cfg, backbone_file(), {"model", *STATED})
    assert all(key in caught.value.what for key in STATED)
    assert "model.neck.in_channels=[256, 512, 1024, 2048] must be [32, 64, 128, 256]" in str(
        caught.value
    )
    assert str(caught.value).count(": ") == 2  # WHAT: WHERE: HOW TO MEND


def test_all_that_scratch_would_train_is_told_at_once() -> None:
    cfg = upstream("mmdet", FPN)
    keys = {"model.backbone.frozen_stages", "model.backbone.norm_eval"}
    with pytest.raises(UserError, match="disagrees with 2 values") as caught:
        apply_backbone(cfg, "scratch", keys)
    assert all(key in caught.value.what for key in keys)


def test_all_that_our_resnets_lack_is_named(backbone_file: Write) -> None:
    cfg = upstream("mmdet", FPN)
    cfg.model.backbone.update(dcn=dict(type="DCN"), plugins=[dict(cfg=dict(type="ContextBlock"))])
    with pytest.raises(UserError, match=r"does not take dcn=.*, plugins=") as caught:
        apply_backbone(cfg, backbone_file(), set())
    assert caught.value.where == "model.backbone.dcn, model.backbone.plugins"


@pytest.mark.parametrize("kind", ["Darknet", "SwinTransformer", "mmpretrain.ConvNeXt"])
def test_settings_of_another_network_are_not_taken_for_a_resnets(
    backbone_file: Write, kind: str
) -> None:
    cfg = upstream("mmdet", FPN)
    cfg.model.backbone = dict(type=kind, depth=53, out_indices=(3, 4, 5))
    with pytest.raises(UserError, match=f"{kind} is not a ResNet"):
        apply_backbone(cfg, backbone_file(), set())


@pytest.mark.parametrize("indices", [(0, 4), (1, 2, 3, 4, 5), ()])
def test_maps_that_the_backbone_lacks_are_the_users_error(
    backbone_file: Write, indices: tuple[int, ...]
) -> None:
    cfg = upstream("mmdet", FPN)
    cfg.model.backbone.out_indices = indices
    with pytest.raises(UserError, match="asks for maps") as caught:
        apply_backbone(cfg, backbone_file(), set())
    assert caught.value.where == "model.backbone.out_indices"


# ---- scratch ----


def test_scratch_trains_everything_and_says_so() -> None:
    cfg = upstream("mmdet", C4)
    lines = apply_backbone(cfg, "scratch", set())
    backbone, head = cfg.model.backbone, cfg.model.roi_head.shared_head
    assert (backbone.frozen_stages, backbone.norm_eval) == (-1, False)
    assert backbone.norm_cfg.requires_grad is True
    assert (head.norm_eval, head.norm_cfg.requires_grad) == (False, True)
    assert "init_cfg" not in backbone
    assert "init_cfg" not in head
    assert backbone.type == "ResNet"  # the architecture stays
    assert lines[0].startswith("backbone: random weights (scratch)")
    assert "model.backbone.frozen_stages: 1 -> -1" in lines
    assert cfg.backbone_file.path == "scratch"
    assert cfg.backbone_file.changed == lines


def test_scratch_trains_the_bn_that_our_shared_head_freezes_by_default() -> None:
    cfg = Config.fromfile(
        CONFIGS / "detection" / "faster-rcnn_c4_paper_voc.py", import_custom_modules=False
    )
    apply_backbone(cfg, "scratch", set())
    cfg.model.roi_head.shared_head.update(base_channels=4)
    with DefaultScope.overwrite_default_scope("mmdet"):
        _, head = build_parts(cfg.model)
    assert isinstance(head, ResNetStage4)
    assert all(parameter.requires_grad for parameter in head.parameters())
    head.train()
    assert all(module.training for module in head.modules())


def test_scratch_keeps_the_recipe_otherwise() -> None:
    cfg, before = upstream("mmseg", "fcn_r50-d8.py"), upstream("mmseg", "fcn_r50-d8.py")
    apply_backbone(cfg, "scratch", set())
    del before.model["pretrained"]
    before.model.backbone.frozen_stages = -1
    cfg.pop("backbone_file")
    assert cfg.to_dict() == before.to_dict()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.backbone.frozen_stages", 1),
        ("model.backbone.norm_eval", True),
        ("model.backbone.norm_cfg.requires_grad", False),
    ],
)
def test_frozen_layers_with_random_weights_are_an_error(key: str, value: Any) -> None:
    cfg = upstream("mmdet", FPN)
    cfg.merge_from_dict({key: value})
    with pytest.raises(UserError, match="frozen layers would keep random weights"):
        apply_backbone(cfg, "scratch", {key})


# ---- neither ----


def test_without_backbone_and_weights_the_word_scratch_must_be_said() -> None:
    cfg = upstream("mmdet", FPN)
    del cfg.model.backbone["init_cfg"]
    for init_cfg in (None, dict(type="Kaiming", layer="Conv2d")):
        cfg.model.backbone.init_cfg = init_cfg
        with pytest.raises(UserError, match="--backbone scratch") as caught:
            apply_backbone(cfg, None, set())
        assert caught.value.exit_code == 2


def test_a_whole_networks_weights_are_something_to_start_from() -> None:
    cfg = upstream("mmdet", FPN)
    cfg.model.backbone.init_cfg, cfg.load_from = None, "epoch_12.pth"
    assert apply_backbone(cfg, None, set()) == ["backbone: from load_from=epoch_12.pth"]


@pytest.mark.parametrize(
    ("library", "name", "message"),
    [
        ("mmdet", FPN, "Pretrained torchvision://resnet50"),
        ("mmseg", "fcn_r50-d8.py", "open-mmlab://resnet50_v1c"),
    ],
)
def test_weights_that_the_config_names_are_left_and_told(
    library: str, name: str, message: str
) -> None:
    cfg, before = upstream(library, name), upstream(library, name)
    (line,) = apply_backbone(cfg, None, set())
    assert message in line
    assert cfg.to_dict() == before.to_dict()


def test_a_config_without_a_backbone_is_refused() -> None:
    with pytest.raises(UserError, match="no backbone"):
        apply_backbone(Config(dict(model=dict(type="X"))), "scratch", set())


@pytest.mark.parametrize("sizes", [{}, dict(depth=19), dict(depth=18, base_channels="wide")])
def test_a_resnet_of_unknown_sizes_is_refused_with_its_place(sizes: dict[str, Any]) -> None:
    cfg = Config(dict(model=dict(type="X", backbone=dict(type="ResNetB", **sizes))))
    with pytest.raises(UserError, match=r"model\.backbone: correct its depth or base_ch"):
        apply_backbone(cfg, "scratch", set())


def test_a_backbone_inside_of_a_tracker_is_told_with_its_place() -> None:
    cfg = Config(dict(model=dict(type="QDTrack", detector=dict(backbone=dict(type="ResNet")))))
    with pytest.raises(UserError, match=r"no backbone, it is in model\.detector\.backbone"):
        apply_backbone(cfg, "scratch", set())
