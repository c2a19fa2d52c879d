"""Where ``new_config.py`` looks, odd files neither mislead nor stop it."""

from pathlib import Path
from typing import NoReturn

import pytest

from bag_of_transfer.own_data import coco_places
from bag_of_transfer.own_data.coco_places import coco_splits
from bag_of_transfer.own_data.detect import nearest_trees
from bag_of_transfer.own_data.mask_places import mask_splits
from bag_of_transfer.own_data.voc_places import voc_splits

NOTE = "<annotation></annotation>"


def put(root: Path, *names: str, text: str = "") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_masks_end_as_most_of_them_do(tmp_path: Path) -> None:
    put(tmp_path, "images/a.jpg", "images/a_b.jpg", "images/c.jpg", "images/d.png.jpg")
    put(tmp_path, "masks/a_b.png", "masks/c.png", "masks/d.png")
    assert mask_splits(tmp_path)["train"] == {"img_dir": "images", "mask_dir": "masks", "split": ""}


def test_images_of_large_and_small_sizes_are_no_masks(tmp_path: Path) -> None:
    put(
        tmp_path,
        *(f"train/{name}/{n}{size}.png" for name in "ab" for n in "12" for size in ("_l", "")),
    )
    assert mask_splits(tmp_path) == {}


def test_xml_files_that_are_not_vocs_or_gone_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "images/a.jpg", "annotations/0.xml", text="<annotations/>")
    (tmp_path / "annotations/1.xml").symlink_to("gone")
    assert voc_splits(tmp_path) == {}
    put(tmp_path, "annotations/a.xml", text=NOTE)
    assert voc_splits(tmp_path)["train"]["ann_subdir"] == "annotations"


def test_a_folder_below_that_cannot_be_read_hides_no_tree(tmp_path: Path) -> None:
    years = [f"coco/annotations/instances_train{year}.json" for year in (2014, 2017)]
    put(tmp_path, *years, *(f"coco/train{year}/a.jpg" for year in (2014, 2017)))
    assert any("(--layout coco)" in line for line in nearest_trees(tmp_path))


def test_a_large_coco_file_is_not_read_to_find_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("it was read")

    monkeypatch.setattr(coco_places, "read_json", refuse)
    put(
        tmp_path,
        "annotations/instances_train.json",
        text='{"images": [{"file_name": "a\\u00e4.jpg"}]',
    )
    put(tmp_path, "train/b.jpg", "images/aä.jpg")
    assert coco_splits(tmp_path)["train"]["data_prefix"] == {"img": "images/"}
