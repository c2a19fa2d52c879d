"""Which files a config's loaders read, and what of them counts."""

import os
from pathlib import Path

import pytest
from mmengine.config import Config

import bag_of_transfer.detection.datasets  # noqa: F401  registers YoloFormat
from bag_of_transfer.ladder.run.fingerprint import data_digest, data_places


def digest(place: Path) -> str:
    data_digest.cache_clear()
    return data_digest(place)


@pytest.fixture
def data(tmp_path):
    """A folder whose train/ lies elsewhere, behind a link."""
    for name in ("disk/cat/a.png", "data/val/a.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "data/train").symlink_to(tmp_path / "disk")
    return tmp_path / "data"


def test_files_behind_a_linked_folder_count(data):
    before = digest(data)
    image = data.parent / "disk/cat/a.png"
    image.write_bytes(b"12")
    assert digest(data) != before
    image.write_bytes(b"2")  # as large as before
    assert digest(data) == before
    (data / "train").unlink()
    (data.parent / "disk").rename(data / "train")
    assert digest(data) == before  # a link is as good as the folder


def test_two_links_to_one_folder_are_two_folders(data):
    before = digest(data)
    (data / "more").symlink_to(data.parent / "disk")
    assert digest(data) != before


def test_a_loop_of_links_ends_and_its_files_count_once(data):
    for link, target in (
        (data / "again", data),
        (data / "train/up", data),
        (data / "self", "self"),
    ):
        before = digest(data)
        link.symlink_to(target)
        assert digest(data) == before
    assert (data / "again/train/up/again/val/a.png").is_file()


def test_what_is_missing_or_not_to_be_read_is_no_data(tmp_path, data):
    assert digest(tmp_path / "none") == digest(tmp_path / "neither")
    assert digest(data) != digest(tmp_path / "none")


def places(**dataset: object) -> list[str]:
    cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
    return [os.fspath(place) for place in data_places(cfg)]


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (dict(root="a"), ["a"]),
        (dict(data_root="a", ann_file="b.json", data_prefix=dict(img="c/")), ["a"]),
        (dict(data_root="/a", ann_file="/a/b.json"), ["/a"]),
        (
            dict(ann_file="a/b.json", data_prefix=dict(img_path="c", seg="d/")),
            ["a/b.json", "c", "d"],
        ),
        (dict(data_root="", ann_file="", data_prefix=dict(img="")), []),
        (dict(data_root=None, ann_file=["a.txt", "b.txt"]), ["a.txt", "b.txt"]),
        (
            dict(data_root="a", ann_file="/b.json", data_prefix=dict(img="/c")),
            ["a", "/b.json", "/c"],
        ),
        (dict(dataset=dict(datasets=[dict(root="a"), dict(ann_file="b")])), ["a", "b"]),
    ],
)
def test_the_places_of_a_dataset_are_found(dataset, expected):
    assert places(**dataset) == expected


def test_folders_that_a_yaml_file_names_are_found_outside_of_its_own(tmp_path):
    for folder in ("own", "data/images/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "own/data.yaml").write_text("path: ../data\nnames: [cat]\n")
    dataset = dict(type="YoloFormat", data_root=str(tmp_path / "own"), split="train")
    cfg = Config(dict(default_scope="mmdet", train_dataloader=dict(dataset=dataset)))
    inside = [tmp_path / name for name in ("own", "data/images/train", "data/labels/train")]
    assert data_places(cfg) == inside
    (tmp_path / "own/data.yaml").write_text("")
    assert data_places(cfg) == inside[:1]


def test_all_three_loaders_are_looked_at_and_a_place_counts_once():
    loaders = dict(train="a", val="b", test="b")
    cfg = Config({f"{k}_dataloader": dict(dataset=dict(root=v)) for k, v in loaders.items()})
    assert data_places(cfg) == [Path("a"), Path("b")]
    assert data_places(Config(dict(val_dataloader=None))) == []


def test_an_annotation_file_of_its_own_counts_by_content(tmp_path):
    file = tmp_path / "train.json"
    file.write_text("{}")
    before = digest(file)
    file.write_text("[]")
    assert digest(file) != before
