"""Each data set, from small archives to the layout that our configs read."""

from pathlib import Path

import pytest
from mmengine.config import Config
from torchvision.datasets import VOCDetection
from torchvision.datasets.imagenet import ARCHIVE_META
from torchvision.datasets.oxford_iiit_pet import OxfordIIITPet
from torchvision.datasets.places365 import Places365
from torchvision.datasets.voc import DATASET_YEAR_DICT

from bag_of_transfer.archives.catalogue import DATA_SETS
from bag_of_transfer.archives.prepare import prepare
from bag_of_transfer.engine.errors import UserError
from tests.archives import small_archives as small
from tests.archives.small_archives import COUNTS, MAKERS, files_below, write_archives

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def prepared(tmp_path: Path):
    def make(name: str) -> Path:
        data_set = write_archives(name, tmp_path / "archives")
        target = tmp_path / "data" / name
        counts = prepare(data_set, target, tmp_path / "archives", tmp_path / "unused")
        assert counts == COUNTS[name] == dict(data_set.counts)
        assert [path.name for path in target.parent.iterdir()] == [name]  # nothing beside it
        return target

    return make


def read(name: str) -> Config:
    return Config.fromfile(ROOT / name, import_custom_modules=False)  # mmdet takes seconds


def test_every_data_set_of_the_contract_is_there() -> None:
    names = {"imagenet", "places365", "voc", "coco", "ade20k", "oxford-pets"}
    assert set(DATA_SETS) == set(MAKERS) == names


def test_official_counts() -> None:
    assert DATA_SETS["voc"].counts["VOC07+12 trainval"] == 5_011 + 11_540
    assert DATA_SETS["voc"].counts["VOC07 test"] == 4_952
    assert list(DATA_SETS["ade20k"].counts.values()) == [20_210, 2_000]
    assert list(DATA_SETS["imagenet"].counts.values()) == [1_281_167, 50_000, 1_000, 1_000]
    assert list(DATA_SETS["coco"].counts.values())[:2] == [118_287, 5_000]
    assert list(DATA_SETS["places365"].counts.values()) == [1_803_460, 36_500, 365, 365]
    assert list(DATA_SETS["oxford-pets"].counts.values()) == [3_680, 3_669, 3_680, 3_669, 37]


def test_hashes_and_addresses_are_torchvisions_where_it_has_them() -> None:
    """Names, MD5s and addresses, read from the installed library."""
    ours = {a.name: a for data_set in DATA_SETS.values() for a in data_set.archives}
    voc = [DATASET_YEAR_DICT[key] for key in ("2007", "2007-test", "2012")]
    known = {one["filename"]: (one["url"], one["md5"]) for one in voc}
    known |= {name: ("", md5) for name, md5 in ARCHIVE_META.values()}
    places = [
        Places365._IMAGES_META["train-standard", True],
        Places365._IMAGES_META["val", True],
        Places365._DEVKIT_META["standard"],
    ]
    known |= {name: (Places365._BASE_URL + name, md5) for name, md5 in places}
    known |= {url.rpartition("/")[2]: (url, md5) for url, md5 in OxfordIIITPet._RESOURCES}
    assert len(known) == 11
    before, now = "http://host.robots.ox.ac.uk", "https://thor.robots.ox.ac.uk"
    for name, (url, md5) in known.items():
        assert ours[name].url == url.replace(before, now)  # VOC's moved after torchvision 0.25
        assert ours[name].digest == f"md5:{md5}"
    assert len(ours) == 15  # the other four are COCO's and ADE20K's
    assert all(archive.digest for archive in ours.values())


def test_both_voc_2007_archives_share_a_folder_and_2012_lies_beside(prepared) -> None:
    target = prepared("voc")
    images = {p.name for p in (target / "VOCdevkit/VOC2007/JPEGImages").iterdir()}
    assert images == {"1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"}
    assert len(VOCDetection(target, year="2012", image_set="trainval")) == 2
    assert (target / "VOCdevkit/VOC2007/JPEGImages/4.jpg").read_text() == "image 4"


def test_voc_lies_where_detection_and_segmentation_look(
    prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_ROOT", str(prepared("voc").parent))
    cfg = read("configs/detection/faster-rcnn_fpn_1x_voc.py")
    first, second = cfg.train_dataloader.dataset.datasets
    for part in (first, second, cfg.val_dataloader.dataset, cfg.test_dataloader.dataset):
        assert Path(part.data_root, part.ann_file).is_file()
    cfg = read("configs/segmentation/fcn_d8_voc2012.py")
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert Path(loader.dataset.data_root, loader.dataset.split).is_file()
        assert Path(loader.dataset.data_root, "SegmentationClass").is_dir()


def test_coco_lies_where_its_config_looks(prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    target = prepared("coco")
    monkeypatch.setenv("DATA_ROOT", str(target.parent))
    cfg = read("configs/detection/faster-rcnn_fpn_1x_coco.py")
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        data = loader.dataset
        assert Path(data.data_root, data.ann_file).read_bytes() == b"{}" * 5000
        assert any(Path(data.data_root, data.data_prefix.img).glob("*.jpg"))
    assert (target / "train2017/000000000025.jpg").read_bytes() == b"t" * 25


def test_ade20k_lies_where_its_config_looks(prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    target = prepared("ade20k")
    monkeypatch.setenv("DATA_ROOT", str(target.parent))
    cfg = read("configs/segmentation/fcn_d8_paper_ade20k.py")
    for loader, number in ((cfg.train_dataloader, 2), (cfg.val_dataloader, 1)):
        data = loader.dataset
        for folder in (data.img_dir, data.mask_dir):
            assert len(list(Path(data.data_root, folder).iterdir())) == number


def test_imagenet_val_is_sorted_by_the_ground_truth(prepared) -> None:
    target = prepared("imagenet")
    val = {f"n02119789/{i}" for i in (2, 4)} | {f"n02100735/{i}" for i in (3, 6)}
    val |= {f"n01440764/{i}" for i in (1, 5)}
    names = {f"{p.parent.name}/{int(p.stem[-8:])}" for p in (target / "val").glob("*/*")}
    assert names == val
    assert (target / "val/n02100735/ILSVRC2012_val_00000006.JPEG").read_text() == "val 6"
    train = files_below(target / "train")
    assert {name for name in train if name.startswith("n02100735")} == {
        "n02100735/n02100735_0.JPEG",
        "n02100735/n02100735_1.JPEG",
    }
    assert (target / "train/n01440764/n01440764_2.JPEG").read_text() == "n01440764 2"
    assert {path.name for path in target.iterdir()} == {"train", "val"}


def test_places365_has_one_folder_per_class(prepared) -> None:
    target = prepared("places365")
    assert files_below(target) == {
        "train/airfield/00000000.jpg",
        *(f"train/bakery/{i:08}.jpg" for i in range(2)),
        *(f"train/bakery-shop/{i:08}.jpg" for i in range(3)),
        "val/bakery-shop/Places365_val_00000001.jpg",
        "val/airfield/Places365_val_00000002.jpg",
        "val/bakery/Places365_val_00000003.jpg",
    }
    assert (target / "train/bakery-shop/00000002.jpg").read_text() == "/b/bakery/shop 2"


def test_pets_are_class_folders_and_voc_layout(prepared) -> None:
    target = prepared("oxford-pets")
    names = ("Abyssinian_1", "american_bulldog_2", "american_bulldog_7")
    assert files_below(target) == {
        "trainval/Abyssinian/Abyssinian_1.jpg",
        "trainval/american_bulldog/american_bulldog_7.jpg",
        "test/american_bulldog/american_bulldog_2.jpg",
        *(f"JPEGImages/{name}.jpg" for name in names),
        *(f"SegmentationClass/{name}.png" for name in names),
        "Annotations/Abyssinian_1.xml",
        "ImageSets/Main/trainval.txt",
        "ImageSets/Segmentation/trainval.txt",
        "ImageSets/Segmentation/test.txt",
    }
    assert (target / "ImageSets/Main/trainval.txt").read_text() == "Abyssinian_1\n"
    image = target / "JPEGImages/Abyssinian_1.jpg"
    assert image.samefile(target / "trainval/Abyssinian/Abyssinian_1.jpg")


def test_pets_are_copied_where_links_are_not_allowed(
    prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    target = prepared("oxford-pets")
    copy = target / "test/american_bulldog/american_bulldog_2.jpg"
    assert copy.read_text() == "american_bulldog_2"
    assert not copy.samefile(target / "JPEGImages/american_bulldog_2.jpg")


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_counts_notice_a_file_that_is_gone(prepared, name: str) -> None:
    """Remove a file from each folder of images or masks: a count must fall."""
    target, data_set = prepared(name), DATA_SETS[name]
    counted = [p for p in target.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"}]
    assert len(counted) >= 4
    if name == "voc":  # two of five images have masks, none of the 2007 ones
        counted = [path for path in counted if "VOC2012" in str(path)]
    for path in counted:
        data = path.read_bytes()
        path.unlink()
        now = data_set.count(target)
        assert now != COUNTS[name], path
        assert all(now[key] <= COUNTS[name][key] for key in now)
        path.write_bytes(data)
    assert data_set.count(target) == COUNTS[name]


def test_a_list_that_says_other_things_is_an_error(tmp_path: Path) -> None:
    """A ground truth that is too short leaves images without a class."""
    data_set = write_archives("imagenet", tmp_path)
    kit = dict(small.imagenet()["ILSVRC2012_devkit_t12.tar.gz"])
    kit["ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"] = b"3\n1\n"
    path = tmp_path / "ILSVRC2012_devkit_t12.tar.gz"
    path.write_bytes(small.packed_as(path.name, kit))
    data_set = small.described(data_set, tmp_path, data_set.counts)
    with pytest.raises(UserError, match=r"not those of ImageNet.*ILSVRC2012_val_0000000"):
        prepare(data_set, tmp_path / "data/imagenet", tmp_path, tmp_path)
    assert not list((tmp_path / "data").iterdir())
