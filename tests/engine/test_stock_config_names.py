"""What a file of an installed package says is a default, also where it is named itself."""

from pathlib import Path

import pytest

from bag_of_transfer.engine.config.config_file import leaf_keys, load_config
from bag_of_transfer.engine.config.tool_flags import config_flags, training_parser
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.stock_configs import config_path, is_stock
from bag_of_transfer.engine.tasks import Phase

ATSS = "mmdet::atss/atss_r50_fpn_1x_coco.py"
PSPNET = "mmseg::pspnet/pspnet_r101-d8_4xb2-40k_cityscapes-512x1024.py"


def load(config: object, *flags: str):
    args = training_parser("d", "e").parse_args([str(config), *flags])
    return load_config(args.config, Phase.FINE_TUNING, **config_flags(args))


@pytest.mark.parametrize(("name", "depth"), [(ATSS, 50), (PSPNET, 101)])
def test_a_stock_config_is_found_by_name_and_says_no_word_of_the_user(
    name: str, depth: int
) -> None:
    cfg, explicit = load(name)
    assert cfg.model.backbone.depth == depth
    assert explicit == set()
    assert cfg.work_dir == f"work_dirs/{Path(name).stem}"
    assert load(config_path(name))[1] == set()  # by its path


def test_flags_beside_a_stock_config_are_the_users_word() -> None:
    assert load(ATSS, "--cfg-options", "model.backbone.depth=101")[1] == {"model.backbone.depth"}


def test_a_copy_of_a_stock_config_is_the_users_word(tmp_path: Path) -> None:
    copy = tmp_path / "atss.py"
    text = config_path(ATSS).read_text().replace("'../_base_/", "'mmdet::_base_/")
    copy.write_text(text)
    _, explicit = load(copy)
    assert {"model.backbone.depth", "model.neck.in_channels"} <= explicit


def test_a_leaf_over_a_stock_config_says_its_own_keys_only(tmp_path: Path) -> None:
    leaf = tmp_path / "leaf.py"
    leaf.write_text(f'_base_ = "{ATSS}"\nmodel = dict(backbone=dict(depth=101))\n')
    cfg, explicit = load(leaf)
    assert explicit == {"_base_", "model", "model.backbone", "model.backbone.depth"}
    assert cfg.model.backbone.out_indices == (0, 1, 2, 3)


def test_a_link_to_a_stock_config_is_the_stock_config(tmp_path: Path) -> None:
    link = tmp_path / "link.py"
    link.symlink_to(config_path(ATSS))
    assert is_stock(link)


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("mmdet::atss/atss_r50_fpn_1x_cocoo.py", f"did you mean {ATSS}?"),
        ("mmseg::nowhere/zzz.py", "see configs/"),
        ("mmfoo::atss/atss_r50_fpn_1x_coco.py", "see configs/"),
    ],
)
def test_a_missing_stock_config_is_told_with_the_nearest_name(name: str, mend: str) -> None:
    with pytest.raises(UserError, match="no such config") as caught:
        load(name)
    assert caught.value.mend.startswith(mend)


@pytest.mark.parametrize(
    "text",
    [
        "model['neck']['in_channels'] = [7]",
        "model.update(neck=dict(in_channels=[7]))",
        "model.update({'neck': {'in_channels': [7]}})",
        "model: dict = dict(neck=dict(in_channels=[7]))",
        "more = dict(in_channels=[7])\nmodel = dict(neck=dict(**more))",
    ],
)
def test_a_value_is_the_users_word_however_it_is_set(tmp_path: Path, text: str) -> None:
    (tmp_path / "leaf.py").write_text(f"model = dict(depth=18)\n{text}\n")
    assert "model.neck.in_channels" in leaf_keys(tmp_path / "leaf.py")


def test_so_are_the_members_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "leaf.py").write_text("heads = [dict(in_channels=7), 3, [1, 2]]\n")
    assert leaf_keys(tmp_path / "leaf.py") == {"heads", "heads.0", "heads.0.in_channels"}


def test_what_a_leaf_sets_by_a_variable_is_its_word(tmp_path: Path) -> None:
    leaf = tmp_path / "leaf.py"
    leaf.write_text(
        "depth = 101\n"
        "backbone = dict(depth=depth, norm_cfg={'type': 'BN'})\n"
        "backbone = dict(depth=depth)\n"
        "model = dict(backbone=backbone, neck=dict(unknown=nowhere))\n"
    )
    assert leaf_keys(leaf) == {
        *("depth", "backbone", "backbone.depth", "model", "model.backbone"),
        *("model.backbone.depth", "model.neck", "model.neck.unknown"),
    }
