"""Folders as users have them: odd pictures, broken pictures, wrong folders."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bag_of_transfer.classification import ImageFolder, image_folder
from bag_of_transfer.engine.errors import UserError

Draw = Callable[..., Path]
TO_TENSOR = [dict(type="torchvision/PILToTensor")]


@pytest.fixture(autouse=True)
def _scans_go_to_a_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_items_are_bytes_with_the_label_of_their_folder(draw_folder: Draw) -> None:
    root = draw_folder("train", ["owl", "cat"], count=3, px=(20, 30))
    dataset = ImageFolder(str(root), TO_TENSOR)
    assert dataset.metainfo == {"classes": ("cat", "owl")}
    assert len(dataset) == 6
    item = dataset[4]
    assert item["labels"] == 1
    assert item["inputs"].shape == (3, 30, 20)
    assert item["inputs"].dtype == torch.uint8
    expected = np.asarray(Image.open(root / "owl" / "001.png")).transpose(2, 0, 1)
    assert np.array_equal(item["inputs"].numpy(), expected)
    assert dataset.path(4) == root / "owl" / "001.png"


def test_suffixes_in_capitals_and_deeper_folders_count_and_hidden_files_do_not(
    draw_folder: Draw,
) -> None:
    root = draw_folder("train", ["cat"], count=1)
    (root / "cat" / "deeper").mkdir()
    Image.new("RGB", (8, 8)).save(root / "cat" / "deeper" / "B.JPG")
    (root / "cat" / "._000.png").write_bytes(b"no picture")
    (root / "cat" / "notes.txt").write_text("no picture either")
    (root / ".ipynb_checkpoints").mkdir()
    dataset = ImageFolder(str(root), TO_TENSOR)
    assert dataset.metainfo["classes"] == ("cat",)
    assert [dataset.path(i).name for i in range(len(dataset))] == ["000.png", "B.JPG"]


@pytest.mark.parametrize("left", ["@eaDir", "__MACOSX", "$RECYCLE.BIN", "lost+found"])
def test_folders_that_systems_leave_are_no_classes_and_hold_no_images(
    draw_folder: Draw, left: str
) -> None:
    root = draw_folder("train", ["cat", "dog"], count=2)
    for folder in (root / left, root / "cat" / left / "deeper"):
        folder.mkdir(parents=True)
        shutil.copy(next(root.glob("dog/*")), folder)
    dataset = ImageFolder(str(root), [])
    assert dataset.metainfo["classes"] == ("cat", "dog")
    assert len(dataset) == 4


def test_names_beyond_ascii_survive(draw_folder: Draw) -> None:
    root = draw_folder("train", ["k\u00e4fer"], count=1)
    (root / "k\u00e4fer" / "000.png").rename(root / "k\u00e4fer" / "\u732b.png")
    assert ImageFolder(str(root), TO_TENSOR)[0]["labels"] == 0


def files_of_every_kind(folder: Path) -> dict[str, Path]:
    """Write pictures that the reader has to turn, convert or cut down to 8 bits and 3 channels."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8)
    picture = Image.fromarray(noise).resize((65, 97), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    wide = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    kinds = {
        "turned.jpg": (picture, dict(exif=turned)),
        "grey.jpg": (picture.convert("L"), {}),
        "cmyk.jpg": (picture.convert("CMYK"), {}),
        "palette.png": (picture.quantize(64), {}),
        "alpha.png": (picture.convert("RGBA"), {}),
        "16bit.png": (wide, {}),
    }
    folder.mkdir(parents=True)
    for name, (image, options) in kinds.items():
        image.save(folder / name, **options)
    return {name: folder / name for name in kinds}


@pytest.mark.parametrize("channels", [1, 3])
def test_reading_without_pillows_image_changes_no_pixel_by_more_than_a_level(
    tmp_path: Path, channels: int
) -> None:
    files = files_of_every_kind(tmp_path / "train" / "cat")
    samples = []
    for crop in ("RandomResizedCrop", "torchvision/RandomResizedCrop"):
        pipeline = [dict(type=crop, size=(48, 31)), dict(type="torchvision/RandomHorizontalFlip")]
        dataset = ImageFolder(str(tmp_path / "train"), pipeline + TO_TENSOR, channels=channels)
        assert len(dataset) == len(files)
        torch.manual_seed(0)
        samples.append([dataset[index]["inputs"] for index in range(len(dataset))])
    for ours, by_pillow in zip(*samples, strict=True):
        assert ours.shape == (channels, 48, 31)
        assert ours.is_contiguous()
        assert ours.float().std() > 10
        assert (ours.int() - by_pillow.int()).abs().max() <= 1


# ---- bad input ----


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the data folder is missing.*nowhere"):
        ImageFolder(str(tmp_path / "nowhere"), TO_TENSOR)


def test_a_folder_without_class_folders_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "loose.png")
    with pytest.raises(UserError, match="has no class folders"):
        ImageFolder(str(tmp_path), TO_TENSOR)


def test_a_class_without_images_is_named(draw_folder: Draw) -> None:
    root = draw_folder("train", ["cat", "owl"])
    (root / "emu").mkdir()
    with pytest.raises(UserError, match="no image in class emu"):
        ImageFolder(str(root), TO_TENSOR)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def test_broken_images_up_to_the_limit_are_left_out(draw_folder: Draw) -> None:
    root = draw_folder("train", ["cat", "owl"], count=3)
    truncate(root / "cat" / "001.png")
    (root / "owl" / "000.png").write_bytes(b"")
    dataset = ImageFolder(str(root), TO_TENSOR, max_unreadable=2)
    assert len(dataset) == 4
    assert [dataset[i]["labels"] for i in range(4)] == [0, 0, 1, 1]


def test_more_broken_images_stop_the_start(draw_folder: Draw) -> None:
    root = draw_folder("train", ["cat"], count=3)
    truncate(root / "cat" / "000.png")
    truncate(root / "cat" / "002.png")
    with pytest.raises(UserError, match="2 of 3 images can't be read"):
        ImageFolder(str(root), TO_TENSOR, max_unreadable=1)


def test_a_class_whose_images_are_all_broken_is_named(draw_folder: Draw) -> None:
    root = draw_folder("train", ["cat", "owl"], count=1)
    truncate(root / "owl" / "000.png")
    with pytest.raises(UserError, match="no readable image in class owl"):
        ImageFolder(str(root), TO_TENSOR)


@pytest.mark.parametrize("first", [[], [dict(type="RandomResizedCrop", size=8)]])
def test_a_file_that_goes_bad_later_is_named(draw_folder: Draw, first: list) -> None:
    root = draw_folder("train", ["cat"])
    dataset = ImageFolder(str(root), first + TO_TENSOR)
    truncate(root / "cat" / "001.png")
    with pytest.raises(UserError, match=r"can't be read.*cat/001\.png"):
        dataset[1]


# ---- two folders, one list of classes ----


def test_validation_takes_its_classes_from_training(draw_folder: Draw) -> None:
    train, val = draw_folder("train", ["cat", "owl"]), draw_folder("val", ["owl", "cat"])
    dataset = ImageFolder(str(val), TO_TENSOR, classes_from=str(train))
    assert dataset.metainfo["classes"] == ("cat", "owl")


def test_stated_classes_set_the_order_of_the_labels(draw_folder: Draw) -> None:
    root = draw_folder("train", ["cat", "owl"], count=1)
    dataset = ImageFolder(str(root), TO_TENSOR, classes=["owl", "cat"])
    assert dataset.path(0).parent.name == "owl"
    assert dataset[0]["labels"] == 0


def test_a_class_that_is_stated_twice_is_named(draw_folder: Draw) -> None:
    root = draw_folder("train", ["cat", "owl"], count=1)
    with pytest.raises(UserError, match=r"more than once \(1, first: cat\): classes: keep"):
        ImageFolder(str(root), TO_TENSOR, classes=["cat", "owl", "cat"])


def test_an_unknown_class_is_named_with_the_nearest_spelling(draw_folder: Draw) -> None:
    train, val = draw_folder("train", ["cat", "owl"]), draw_folder("val", ["cat", "owls"])
    with pytest.raises(UserError, match=r"unknown class owls: .*val: did you mean owl\?"):
        ImageFolder(str(val), TO_TENSOR, classes_from=str(train))


def test_a_class_that_validation_lacks_is_named(draw_folder: Draw) -> None:
    train, val = draw_folder("train", ["cat", "emu", "owl"]), draw_folder("val", ["cat", "owl"])
    with pytest.raises(UserError, match="no folder for class emu"):
        ImageFolder(str(val), TO_TENSOR, classes_from=str(train))
    shutil.rmtree(train / "emu")
    assert len(ImageFolder(str(val), TO_TENSOR, classes_from=str(train))) == 4


@pytest.mark.parametrize("variant", ["Cat", "CAT", "\uff43at", "cat\u200b"])
def test_folders_that_differ_in_case_or_width_only_are_refused(
    draw_folder: Draw, variant: str
) -> None:
    root = draw_folder("train", ["cat", "owl", variant], count=1)
    with pytest.raises(
        UserError, match=r"differ only in case.*: .*train/.*, .*train/.*: write one"
    ):
        ImageFolder(str(root), TO_TENSOR)
    stated = ImageFolder(str(root), TO_TENSOR, classes=["cat", "owl", variant])
    assert len(stated.metainfo["classes"]) == 3
    val = draw_folder("val", ["owl", variant], count=1)
    shutil.rmtree(root / variant)
    with pytest.raises(UserError, match=r"unknown class .*: did you mean cat\?"):
        ImageFolder(str(val), TO_TENSOR, classes_from=str(root))


def test_images_beside_the_class_folders_are_counted(
    draw_folder: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(image_folder, "warn", messages.append)
    root = draw_folder("train", ["owl", "cat"], count=1, px=(20, 30))
    shutil.copy(root / "owl" / "000.png", root / "loose.png")
    assert len(ImageFolder(str(root), TO_TENSOR)) == 2
    assert messages == [f"{root}: 1 image in no class folder, not used: loose.png"]
