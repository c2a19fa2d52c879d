"""MaskFolder: the layouts it reads, the classes it finds, and what it refuses before training."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

from bag_of_transfer.engine.data import image_files, image_scan
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.segmentation import MaskFolder, datasets
from bag_of_transfer.segmentation.datasets import IGNORED
from bag_of_transfer.segmentation.metrics import name_of

LISTS = "ImageSets/Segmentation"
LOAD = [{"type": "ReadMask"}]


def mask(root: Path, name: str = "train_0") -> Path:
    return root / f"SegmentationClass/{name}.png"


def image(root: Path, name: str = "train_0") -> Path:
    return root / f"JPEGImages/{name}.jpg"


def repaint(path: Path, old: int, new: int) -> None:
    pixels = np.array(Image.open(path))
    pixels[pixels == old] = new
    Image.fromarray(pixels).save(path)


def train_set(root: Path, **options: object) -> MaskFolder:
    return MaskFolder(str(root), split=f"{LISTS}/train.txt", **options)


def loaded_mask(dataset: MaskFolder, index: int = 0) -> np.ndarray:
    return dataset[index]["gt_seg_map"]


@pytest.fixture(autouse=True)
def _in_mmseg() -> None:
    init_default_scope("mmseg")


@pytest.mark.parametrize("scope", ["mmseg", "mmengine"])
def test_configs_build_it_by_name(voc: Path, scope: str) -> None:
    init_default_scope(scope)
    built = DATASETS.build({"type": "MaskFolder", "data_root": str(voc)})
    assert type(built) is MaskFolder
    assert len(built) == 18  # no split: every image


def test_reads_the_pairs_of_a_split_in_its_order(voc: Path) -> None:
    (voc / LISTS / "train.txt").write_text("train_5\n\ntrain_2 \n")
    dataset = train_set(voc)
    assert [Path(dataset.get_data_info(i)["img_path"]).name for i in range(2)] == [
        "train_5.jpg",
        "train_2.jpg",
    ]
    assert dataset.get_data_info(1)["seg_map_path"] == str(mask(voc, "train_2"))
    assert len(dataset) == 2


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".JPG"])
def test_reads_images_of_each_format_and_sub_folders(voc: Path, suffix: str) -> None:
    deep_image, deep_mask = voc / f"JPEGImages/a/b{suffix}", voc / "SegmentationClass/a/b.png"
    deep_image.parent.mkdir()
    deep_mask.parent.mkdir()
    Image.open(image(voc)).save(deep_image)
    mask(voc).rename(deep_mask)
    (voc / LISTS / "train.txt").write_text("train_1\na/b\n")
    dataset = train_set(voc)
    assert dataset.get_data_info(1)["img_path"] == str(deep_image)
    names = [name_of(one["img_path"], dataset.image_dir) for one in dataset]
    assert names == ["train_1", "a/b"]


def test_the_mask_that_reaches_training_is_the_file(voc: Path) -> None:
    expected = np.array(Image.open(mask(voc)))
    assert set(np.unique(expected)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(loaded_mask(train_set(voc, pipeline=LOAD)), expected)


def test_classes_are_counted_in_the_masks_of_all_splits(voc: Path) -> None:
    for name in (f"val_{i}" for i in range(4)):  # a validation split without class 3
        repaint(mask(voc, name), 3, 0)
    names = ("class_0", "class_1", "class_2", "class_3")
    assert train_set(voc).metainfo["classes"] == names
    val = MaskFolder(str(voc), split=f"{LISTS}/val.txt", test_mode=True)
    assert val.metainfo["classes"] == names


@pytest.mark.parametrize("where", [".", "", "/", "../masks"])
def test_classes_are_counted_in_the_masks_folder_wherever_that_lies(voc: Path, where: str) -> None:
    folder = {"/": voc.parent / "masks", "../masks": voc.parent / "masks"}.get(where, voc)
    folder.mkdir(exist_ok=True)
    for path in (voc / "SegmentationClass").iterdir():
        path.rename(folder / path.name)
    Image.new("RGB", (9, 9)).save(voc.parent / "other.png")  # no mask of ours
    stated = str(folder) if where == "/" else where
    pictures = {"img_dir": "JPEGImages", "mask_dir": stated}
    names = MaskFolder(str(voc), split=f"{LISTS}/train.txt", **pictures).metainfo["classes"]
    assert names == ("class_0", "class_1", "class_2", "class_3")


@pytest.mark.parametrize(
    "folders", ["{}/images {}/masks", "a/{}/images a/{}/masks", "a/images/{} a/masks/{}"]
)
def test_grey_images_beside_the_masks_are_not_counted(voc: Path, folders: str) -> None:
    def places(split: str) -> dict[str, str]:
        return dict(zip(("img_dir", "mask_dir"), folders.format(split, split).split(), strict=True))

    for split in ("train", "val"):
        picture, labels = (voc / folder / "1.png" for folder in places(split).values())
        picture.parent.mkdir(parents=True)
        labels.parent.mkdir(parents=True)
        greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
        Image.fromarray(greys).save(picture)
        Image.fromarray(greys // 64 % (4 if split == "val" else 2)).save(labels)
    foreign = voc / "theirs/masks/1.png"
    foreign.parent.mkdir(parents=True)
    Image.new("RGB", (16, 16)).save(foreign)
    dataset = MaskFolder(str(voc), **places("train"))
    assert dataset.metainfo["classes"] == ("class_0", "class_1", "class_2", "class_3")


def test_masks_of_another_data_set_beside_it_are_not_counted(voc: Path) -> None:
    for name, top in (("mine", 1), ("theirs", 7)):
        for kind in ("images", "masks"):
            (voc / name / kind).mkdir(parents=True)
            values = np.arange(64, dtype=np.uint8).reshape(8, 8) % (top + 1)
            Image.fromarray(values).save(voc / name / kind / "1.png")
    dataset = MaskFolder(str(voc), "mine/images", "mine/masks")
    assert dataset.metainfo["classes"] == ("class_0", "class_1")


def test_training_sets_of_two_folders_can_be_joined(voc: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(voc, tmp_path / "other"))
    joined = ConcatDataset([train_set(voc), train_set(other)])
    assert len(joined) == 18


def test_classes_txt_names_them(voc: Path) -> None:
    (voc / "classes.txt").write_text("background\nbox\nbig dog\nrest\n")
    assert train_set(voc).metainfo["classes"] == ("background", "box", "big dog", "rest")


def test_classes_given_win_over_classes_txt(voc: Path) -> None:
    (voc / "classes.txt").write_text("background\nbox\n")
    assert train_set(voc, classes=["a", "b", "c", "d"]).metainfo["classes"] == ("a", "b", "c", "d")


def test_a_name_that_mmseg_knows_gives_its_classes(ade: Path) -> None:
    folders = {"img_dir": "images/training", "mask_dir": "annotations/training"}
    dataset = MaskFolder(str(ade), **folders, classes="ade20k", reduce_zero_label=True)
    assert len(dataset.metainfo["classes"]) == len(dataset.metainfo["palette"]) == 150
    assert dataset.metainfo["classes"][:2] == ("wall", "building")
    with pytest.raises(UserError, match=r"no data set of this name: classes='ade2k'"):
        MaskFolder(str(ade), **folders, classes="ade2k")


def test_a_class_that_is_stated_twice_is_named(voc: Path) -> None:
    with pytest.raises(UserError, match=r"more than once \(1, first: a\): classes: keep"):
        train_set(voc, classes=["a", "b", "a", "c"])


def test_ade20k_layout_leaves_zero_out(ade: Path) -> None:
    folders = {"img_dir": "images/training", "mask_dir": "annotations/training"}
    dataset = MaskFolder(str(ade), **folders, reduce_zero_label=True, pipeline=LOAD)
    assert dataset.metainfo["classes"] == ("class_1", "class_2", "class_3")
    assert len(dataset) == 6
    raw = np.array(Image.open(dataset.get_data_info(0)["seg_map_path"])).astype(int)
    np.testing.assert_array_equal(loaded_mask(dataset), np.where(raw == 0, IGNORED, raw - 1))


@pytest.mark.parametrize("reduce_zero_label", [False, True])
def test_another_ignored_value_reaches_training_as_255(voc: Path, reduce_zero_label: bool) -> None:
    for path in (voc / "SegmentationClass").iterdir():
        repaint(path, 3, 99)
    raw = np.array(Image.open(mask(voc))).astype(int)
    dataset = train_set(voc, ignore_index=99, reduce_zero_label=reduce_zero_label, pipeline=LOAD)
    assert len(dataset.metainfo["classes"]) == (2 if reduce_zero_label else 3)
    expected = np.where(raw == 99, IGNORED, raw)
    if reduce_zero_label:
        expected = np.where((raw == 0) | (raw == 99), IGNORED, raw - 1)
    np.testing.assert_array_equal(loaded_mask(dataset), expected)


def test_255_is_ignored_and_no_class(voc: Path) -> None:
    repaint(mask(voc), 3, 255)
    dataset = train_set(voc, pipeline=LOAD)
    assert len(dataset.metainfo["classes"]) == 4
    assert 255 in loaded_mask(dataset)


def test_unreadable_files_are_left_out_and_named(
    voc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(image_scan, "warn", messages.append)
    cut = image(voc, "train_1")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 6 // 10])
    mask(voc, "train_3").write_bytes(b"")
    dataset = train_set(voc, max_unreadable=2)
    names = [Path(dataset.get_data_info(i)["img_path"]).stem for i in range(len(dataset))]
    assert names == [f"train_{i}" for i in (0, 2, 4, 5, 6, 7, 8)]
    assert len(messages) == 1
    assert "train_1.jpg (image file is truncated" in messages[0]
    assert "train_3.png (empty file)" in messages[0]
    with pytest.raises(UserError, match=r"2 of 9 images can't be read \(first: train_1.jpg: "):
        train_set(voc, max_unreadable=1)


def test_classes_that_no_mask_shows_are_warned_of_in_training_only(
    voc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(datasets, "warn", messages.append)
    classes = ["background", "a", "b", "c", "unicorn"]
    train_set(voc, classes=classes)
    assert len(messages) == 1
    assert "1 class in none of the 9 masks: unicorn" in messages[0]
    train_set(voc, classes=classes, test_mode=True)
    assert len(messages) == 1


def gone(path: Callable[[Path], Path]) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path(root).unlink()

    return spoil


def no_folder(root: Path) -> None:
    (root / "JPEGImages").rename(root / "Images")


def empty_folder(root: Path) -> None:
    for path in (root / "JPEGImages").iterdir():
        path.unlink()


def smaller_mask(root: Path) -> None:
    Image.open(mask(root)).resize((56, 50)).save(mask(root))


def turned_mask(root: Path) -> None:
    Image.open(mask(root)).transpose(Image.Transpose.ROTATE_90).save(mask(root))


def coloured_mask(root: Path) -> None:
    Image.open(mask(root)).convert("RGB").save(mask(root))


def jpeg_mask(root: Path) -> None:
    Image.fromarray(np.array(Image.open(mask(root)))).save(mask(root), format="JPEG")


def mask_named_jpg(root: Path) -> None:
    mask(root).rename(mask(root).with_suffix(".jpg"))


def masks_with_an_end(root: Path) -> None:
    for path in (root / "SegmentationClass").iterdir():
        path.rename(path.with_name(f"{path.stem}_mask.png"))


def suffixes_in_the_list(root: Path) -> None:
    (root / LISTS / "train.txt").write_text("train_0.jpg\n")


def twin(root: Path) -> None:
    Image.open(image(root)).save(image(root).with_suffix(".png"))


def black_and_white(root: Path) -> None:
    for path in (root / "SegmentationClass").iterdir():
        for label in (1, 2, 3):
            repaint(path, label, 255)


BAD = [
    (no_folder, {}, "no such folder", "JPEGImages", "--data-root"),
    (empty_folder, {}, "no images", "JPEGImages", "put .jpg, .png, ... files there"),
    (gone(mask), {}, "1 of 9 masks are missing (first: train_0)", "SegmentationClass", "train.txt"),
    (gone(image), {}, "1 of 9 images are missing (first: train_0)", "JPEGImages", "train.txt"),
    (gone(lambda root: root / LISTS / "train.txt"), {}, "no such list", "train.txt", "split"),
    (lambda root: (root / LISTS / "train.txt").write_text("\n"), {}, "names no", "train.txt", ""),
    (smaller_mask, {}, "mask is 56 x 50 pixels, its image 113 x 101", "train_0.png", "one size"),
    (turned_mask, {}, "mask is 101 x 113 pixels, its image 113 x 101", "train_0.png", "upright"),
    (coloured_mask, {}, "a picture with colours (RGB)", "train_0.png", "grey or palette PNG"),
    (jpeg_mask, {}, "the mask is a JPEG", "train_0.png", "again as PNG"),
    (mask_named_jpg, {}, "(first: train_0)", "SegmentationClass", "but masks end in .png"),
    (masks_with_an_end, {}, "(first: train_0)", "SegmentationClass", "mask_suffix='_mask.png'"),
    (suffixes_in_the_list, {}, "(first: train_0.jpg)", "JPEGImages", "a name without its suffix"),
    (twin, {}, "two images share one mask", "train_0.jpg", "remove one"),
    (black_and_white, {}, "fewer than two classes (0; 255 is ignored)", "SegmentationClass", "0"),
    (
        lambda root: repaint(mask(root), 3, 77),
        {},
        "the labels in the masks have gaps (0, 1, 2, 3, 77)",
        "SegmentationClass",
        "classes.txt",
    ),
    (
        lambda root: repaint(mask(root, "train_2"), 3, 77),
        {"classes": list("abcd")},
        "label 77 is outside 0..3 (ignored is 255) in 1 of 9 masks",
        "train_2.png",
        "mend the masks",
    ),
    (
        lambda root: None,
        {"classes": list("abc")},
        "label 3 is outside 0..2 (ignored is 255) in 9 of 9 masks",
        "train_0.png",
        "name every class",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "options", "what", "where", "mend"), BAD)
def test_bad_data_stop_before_training(
    voc: Path,
    spoil: Callable[[Path], None],
    options: dict,
    what: str,
    where: str,
    mend: str,
) -> None:
    assert len(train_set(voc)) == 9  # good until it is spoilt
    spoil(voc)
    with pytest.raises(UserError) as stopped:
        train_set(voc, **options)
    assert what in stopped.value.what
    assert where in stopped.value.where
    assert mend in stopped.value.mend


def test_every_kind_of_bad_data_is_tried() -> None:
    assert len(BAD) == 18


@pytest.mark.parametrize("kind", ["L", "P", "1", "I;16"])
def test_masks_of_every_pixel_format_with_one_number(voc: Path, kind: str) -> None:
    truth = np.zeros((101, 113), np.uint8)
    truth[10:20, 30:60] = 1
    picture = Image.fromarray(truth)
    if kind == "1":
        picture = Image.fromarray(truth.astype(bool))
    elif kind == "P":
        picture.putpalette(bytes(range(256)) * 3)
    elif kind != "L":
        picture = Image.fromarray(truth.astype(np.uint16))
    for path in (voc / "SegmentationClass").iterdir():
        picture.save(path)
    dataset = train_set(voc, pipeline=LOAD)
    assert dataset.metainfo["classes"] == ("class_0", "class_1")
    np.testing.assert_array_equal(loaded_mask(dataset), truth)


def test_a_label_beyond_a_byte_is_not_wrapped(voc: Path) -> None:
    wide = np.array(Image.open(mask(voc))).astype(np.uint16)
    wide[3, 8] = 257  # as a byte it would be 1
    Image.fromarray(wide).save(mask(voc))
    with pytest.raises(UserError, match=r"label 257 is outside 0\.\.3 .*, first at x 8, y 3: "):
        train_set(voc, classes=list("abcd"))


def test_a_second_start_decodes_nothing(voc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_set(voc)
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("decoded again"))
    assert len(train_set(voc)) == 9


def test_one_class_is_no_segmentation(voc: Path) -> None:
    (voc / "classes.txt").write_text("thing\n")
    for path in (voc / "SegmentationClass").iterdir():
        Image.fromarray(np.zeros((101, 113), np.uint8)).save(path)
    with pytest.raises(UserError, match="two classes or more, got thing"):
        train_set(voc)


def test_masks_of_0_and_255_show_no_second_class(voc: Path) -> None:
    binary = np.zeros((101, 113), np.uint8)
    binary[10:20] = 255  # as many tools save "here it is": the value that is ignored
    for path in (voc / "SegmentationClass").iterdir():
        Image.fromarray(binary).save(path)
    with pytest.raises(
        UserError, match=r"show one class of 2 \(255 is ignored\).*label_map={0: 0, "
    ):
        train_set(voc, classes=("ground", "thing"))


@pytest.mark.parametrize(("value", "reduced"), [(255, False), (255, True), (0, True)])
def test_a_split_whose_pixels_are_all_ignored_is_refused(
    voc: Path, value: int, reduced: bool
) -> None:
    for number in range(4):
        Image.fromarray(np.full((101, 113), value, np.uint8)).save(mask(voc, f"val_{number}"))
    (voc / LISTS / "val.txt").write_text("".join(f"val_{number}\n" for number in range(4)))
    with pytest.raises(UserError, match=r"every pixel of the 4 masks is ignored.*val\.txt"):
        MaskFolder(
            str(voc),
            split=f"{LISTS}/val.txt",
            classes=list("abcd"),
            test_mode=True,
            reduce_zero_label=reduced,
        )


def test_a_dry_run_refuses_nothing_for_masks_that_it_has_not_decoded(voc: Path) -> None:
    first = min((voc / "SegmentationClass").iterdir())
    pixels = np.zeros_like(Image.open(first))
    pixels[0, 0] = 3
    Image.fromarray(pixels).save(first)
    with image_scan.limited_scans(1e-9):  # the first mask is decoded, with labels 0 and 3
        assert train_set(voc).metainfo["classes"] == ("class_0", "class_1", "class_2", "class_3")
        assert len(MaskFolder(str(voc), split=f"{LISTS}/val.txt", test_mode=True)) == 4


def widen(path: Path, value: int) -> None:
    wide = np.array(Image.open(path)).astype(np.uint16)
    wide[0, 0] = value
    Image.fromarray(wide).save(path)


def test_a_label_beyond_a_byte_is_trained_on_as_it_was_checked(voc: Path) -> None:
    widen(mask(voc), 290)
    labels = loaded_mask(train_set(voc, classes=[f"c{i}" for i in range(300)], pipeline=LOAD))
    assert labels[0, 0] == 290
    assert labels.dtype == np.int32


@pytest.mark.parametrize(("value", "reduced"), [(255, False), (255, True), (256, True)])
def test_a_class_with_the_number_of_ignored_pixels_is_refused(
    voc: Path, value: int, reduced: bool
) -> None:
    widen(mask(voc), value)
    names = [f"c{i}" for i in range(300)]
    with pytest.raises(UserError, match=f"label {value} stands for a class, but means 'ignored'"):
        train_set(voc, classes=names, reduce_zero_label=reduced)


def test_another_ignored_value_may_be_beyond_a_byte(voc: Path) -> None:
    widen(mask(voc), 65535)
    dataset = train_set(voc, classes=list("abcd"), ignore_index=65535, pipeline=LOAD)
    assert loaded_mask(dataset)[0, 0] == IGNORED


def test_pictures_passed_over_for_their_suffix_are_counted(
    voc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(image_files, "warn", messages.append)
    for name in ("a.heic", "b.HEIC", "Thumbs.db", "notes.txt", ".hidden.heic"):
        (voc / "JPEGImages" / name).write_bytes(b"anything")
    train_set(voc)
    (line,) = messages
    assert "passed over 2 pictures for the suffix (2 .heic)" in line


def test_masks_with_capitals_in_their_suffix_or_beside_their_images_are_found(
    voc: Path,
) -> None:
    for path in (voc / "SegmentationClass").iterdir():
        path.rename(voc / "JPEGImages" / path.with_suffix(".PNG").name)
    pairs = train_set(voc, mask_dir="JPEGImages")
    assert pairs[0]["seg_map_path"].endswith("train_0.PNG")


def test_masks_without_an_image_are_counted_where_no_list_says_which(
    voc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(datasets, "warn", messages.append)
    image(voc).unlink()
    MaskFolder(str(voc))
    assert [line for line in messages if "1 mask without an image, first train_0.png" in line]
