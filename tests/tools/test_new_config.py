"""``new_config.py`` recognises the layout of a folder, and the config that it writes trains."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger
from PIL import Image

from bag_of_transfer.data_checks.splits import build_splits
from bag_of_transfer.engine.config.config_file import load_config, phase_of, read_config
from bag_of_transfer.engine.data.layouts import LAYOUTS, SIZES
from bag_of_transfer.own_data.coco_places import coco_splits
from bag_of_transfer.own_data.mask_places import mask_splits
from tests.data_checks.worlds import CLASSES, WORLDS, load_mask, picture, save_mask

ROOT = Path(__file__).resolve().parents[2]
OF = {layout.name: layout for layout in LAYOUTS}
SLOW = pytest.mark.slow  # variants between those that differ most
NAMES = {name: ("ground", *CLASSES) if name == "masks" else CLASSES for name in WORLDS}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of each layout, drawn once."""
    folder = tmp_path_factory.mktemp("drawn")
    for name, draw in WORLDS.items():
        draw(folder / name)
    return folder


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copy the folder of a layout to ``own data``, to be changed."""
    return lambda name: shutil.copytree(drawn / name, tmp_path / "own data")


def written(path: str = "own.py") -> Config:
    return load_config(Path(path), phase_of(Path(path)))[0]


def splits_of(cfg: Config) -> dict[str, int]:
    """Build all splits as a start does, and return how many images they have."""
    splits, findings = build_splits(cfg)
    assert [finding for finding in findings if finding.severity == "error"] == []
    return {split.name: len(split.examples) for split in splits}


@pytest.mark.parametrize("name", OF)
def test_each_layout_gets_a_config_that_reads_its_data(
    tool: Any, drawn: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert tool("new_config", drawn / name, "own.py", "--size", "slim") == 0
    told = capsys.readouterr().out
    count = len(NAMES[name])
    assert f"{OF[name].title}: 4 images to train on, {count} classes" in told
    assert "median 64 x 48 px" in told
    commands = [line.strip() for line in told.splitlines() if line.startswith("  ")]
    assert commands[0].endswith("check_data.py own.py")
    assert f"{OF[name].tool}.py own.py" in commands[2]
    assert commands[1] == f"{commands[2]} --dry-run"
    public = "resnet18d.ra2_in1k resnet18d.safetensors"
    assert [words.partition("convert_weights.py ")[2] for words in commands[3:4]] == (
        [public] if "--backbone scratch" in commands[2] else []
    )
    assert len(Path("own.py").read_text().splitlines()) <= 12
    cfg = written()
    assert cfg.get("test_dataloader") is None  # there is no test split
    assert splits_of(cfg) == {"train": 4, "val": 2}
    assert cfg.train_dataloader.batch_size == 2
    assert tuple(cfg.classes) == NAMES[name]


@pytest.mark.parametrize("name", OF)
def test_its_base_is_of_the_size_that_is_asked_for(name: str) -> None:
    assert tuple(OF[name].configs) == SIZES
    for path in OF[name].configs.values():
        cfg = read_config(ROOT / "configs" / path, import_named=False)
        parts = {part.path for part in OF[name].parts}
        for text in paths_in(cfg.train_dataloader.dataset):
            assert text in parts, path


def paths_in(described: dict[str, Any]) -> list[str]:
    """Return the paths in the description of a data set that start at its folder."""
    if "root" in described:
        return [Path(described["root"]).name]
    if described["type"] == "YoloFormat":
        return [f"images/{described['split']}"]
    keys = ("ann_file", "split", "img_subdir", "ann_subdir", "img_dir", "mask_dir")
    texts = [described[key] for key in keys if key in described]
    return [*texts, *(text.rstrip("/") for text in described.get("data_prefix", {}).values())]


def without(root: Path, name: str) -> None:
    """Remove the validation split."""
    for path in {
        "images": ("val",),
        "voc": ("ImageSets/Main/val.txt",),
        "coco": ("annotations/val.json",),
        "yolo": ("images/val",),
        "masks": ("ImageSets/Segmentation/val.txt",),
    }[name]:
        shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()


@pytest.mark.parametrize(
    "name",
    [name if name == "images" else pytest.param(name, marks=SLOW) for name in OF],
)
def test_without_a_val_split_a_part_of_training_is_held_out(
    tool: Any, folder: Callable[[str], Path], name: str
) -> None:
    root = folder(name)
    without(root, name)
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    cfg = written()
    assert cfg.held_out == dict(fraction=0.2, seed=0)
    assert sum(splits_of(cfg).values()) == 4


PLACES = {"images": "{}", "voc": "ImageSets/Main/{}.txt", "masks": "ImageSets/Segmentation/{}.txt"}


@pytest.mark.parametrize(
    ("name", "train", "val"),
    [
        ("images", "train", "valid"),
        ("voc", "train", "valid"),
        pytest.param("images", "Training", "Validation", marks=SLOW),
        pytest.param("images", "training_set", "val_set", marks=SLOW),
        pytest.param("masks", "train", "validation", marks=SLOW),
    ],
)
def test_splits_are_found_by_the_names_that_others_give_them(
    tool: Any, folder: Callable[[str], Path], name: str, train: str, val: str
) -> None:
    root, place = folder(name), PLACES[name]
    for usual, theirs in (("train", train), ("val", val)):
        (root / place.format(usual)).rename(root / place.format(theirs))
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    cfg = written()
    assert splits_of(cfg) == {"train": 4, "val": 2}
    assert tuple(cfg.classes) == NAMES[name]
    described = cfg.val_dataloader.dataset
    assert described.get("classes_from", train).endswith((train, f"{train}.txt"))


def test_two_names_of_one_split_are_asked_about(
    tool: Any, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder("images")
    (root / "val").rename(root / "valid")
    shutil.copytree(root / "valid", root / "validation")
    assert tool("new_config", root, "own.py", "--size", "slim") == 2
    assert "valid and validation may both be the val split" in capsys.readouterr().err
    (root / "validation").rename(root / "val")  # the usual name decides
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    assert written().val_dataloader.dataset.root == str(root / "val")
    for name in ("test1", "test2"):  # which class folders do not need
        shutil.copytree(root / "val", root / name)
    assert tool("new_config", root, "b.py", "--size", "slim") == 0


def test_it_is_told_what_is_held_out_and_what_is_not_read(
    tool: Any, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder("images")
    (root / "val").rename(root / "test_set")
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    told = capsys.readouterr().out
    missing = root / "val"
    assert f"no val split ({missing} is not there): a fifth of the training images is held" in told
    assert f"{root / 'test_set'} is not read: class folders are judged on the val split" in told
    assert sum(splits_of(written()).values()) == 4


def test_class_folders_need_no_splits(tool: Any, folder: Callable[[str], Path]) -> None:
    root = folder("images") / "train"
    assert tool("new_config", root, "own.py", "--size", "small") == 0
    cfg = written()
    assert sum(splits_of(cfg).values()) == 4
    assert cfg.train_dataloader.dataset.root == str(root)


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ((0, 0, 255), "data = dict(label_map={0: 0, 255: 1}, classes=('class_0', 'class_255'))"),
        pytest.param(
            *((0, 7, 9), "data = dict(label_map={0: 0, 7: 1, 9: 2}, classes=('class_0', "),
            marks=SLOW,
        ),
    ],
)
def test_labels_with_gaps_get_a_map(
    tool: Any, folder: Callable[[str], Path], values: tuple[int, ...], lines: str
) -> None:
    root = folder("masks")
    (root / "classes.txt").unlink()
    for path in (root / "SegmentationClass").iterdir():
        save_mask(root, path.stem, np.array(values, np.uint8)[load_mask(root, path.stem)])
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    assert lines in Path("own.py").read_text()
    assert splits_of(written()) == {"train": 4, "val": 2}


@pytest.mark.parametrize(
    ("images", "masks", "end"),
    [
        ("{}/images", "{}/masks", ".png"),
        ("img_dir/{}", "ann_dir/{}", "_seg.png"),  # mmseg's
        ("{}", "{}", "_mask.png"),  # Roboflow's
        pytest.param("{}", "{}_labels", "_L.tif", marks=SLOW),
        pytest.param("images/{}", "annotations/{}", ".png", marks=SLOW),  # ADE20K's
    ],
)
def test_masks_are_found_where_others_put_them(
    tool: Any, folder: Callable[[str], Path], images: str, masks: str, end: str
) -> None:
    root = folder("masks")
    for split, theirs in (("train", "training"), ("val", "validation")):
        places = [root / part.format(theirs) for part in (images, masks)]
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        for path in sorted((root / "JPEGImages").glob(f"{split}*")):
            mask = Image.open(root / f"SegmentationClass/{path.stem}.png")
            path.rename(places[0] / path.name)
            mask.save(places[1] / f"{path.stem}{end}")
    for left in ("JPEGImages", "SegmentationClass", "ImageSets"):
        shutil.rmtree(root / left)
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    assert splits_of(written()) == {"train": 4, "val": 2}


@pytest.mark.parametrize(
    ("images", "notes"),
    [
        ("{}", "{}"),  # Roboflow's
        ("images/{}", "annotations/{}"),
        pytest.param("images", "annotations", marks=SLOW),
        pytest.param("", "", marks=SLOW),  # labelImg's
        pytest.param("JPEGImages", "Annotations", marks=SLOW),
    ],
)
def test_xml_files_are_found_where_others_put_them(
    tool: Any, folder: Callable[[str], Path], images: str, notes: str
) -> None:
    root = folder("voc").rename("before")
    for split, theirs in (("train", "train"), ("val", "valid")):
        for path in sorted(root.glob(f"*/{split}*.*")):
            kind = notes if path.suffix == ".xml" else images
            place = Path("data", kind.format(theirs))
            place.mkdir(parents=True, exist_ok=True)
            path.rename(place / path.name)
    assert tool("new_config", "data", "own.py", "--size", "slim") == 0
    seen = splits_of(written())
    assert seen == {"train": 4, "val": 2} if "{" in images else sum(seen.values()) == 6
    assert tuple(written().classes) == CLASSES


@pytest.mark.parametrize("name", ["voc", "masks"])
def test_images_of_a_listed_split_are_not_trained_on(
    tool: Any, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    root = folder(name)
    (train,) = root.glob("ImageSets/*/train.txt")
    train.rename(train.with_name("trainval.txt"))
    assert tool("new_config", root, "own.py", "--size", "slim") == 2
    assert (
        f"there is {train.with_name('trainval.txt').relative_to(root)}" in capsys.readouterr().out
    )


def test_masks_without_splits_and_lists_are_for_training(
    tool: Any, folder: Callable[[str], Path]
) -> None:
    root = folder("masks")
    shutil.rmtree(root / "ImageSets")
    (root / "JPEGImages").rename(root / "images")
    (root / "SegmentationClass").rename(root / "masks")
    (root / "classes.txt").unlink()
    for path in (root / "masks").iterdir():
        Image.fromarray(np.array(Image.open(path)) * np.uint8(100)).save(path)
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    assert sum(splits_of(written()).values()) == 6
    assert written().train_dataloader.dataset.label_map == {0: 0, 100: 1, 200: 2}


def test_images_beside_masks_are_not_read_as_masks(
    tool: Any, folder: Callable[[str], Path]
) -> None:
    root = folder("masks")
    for place in ("images", "masks"):
        (root / "train" / place).mkdir(parents=True)
    for path in sorted((root / "JPEGImages").iterdir()):
        Image.open(path).convert("L").save(root / f"train/images/{path.stem}.png")
        shutil.copy(root / f"SegmentationClass/{path.stem}.png", root / "train/masks")
    for left in ("JPEGImages", "SegmentationClass", "ImageSets"):
        shutil.rmtree(root / left)
    (root / "classes.txt").unlink()
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    assert written().train_dataloader.dataset.classes == ("class_0", "class_1", "class_2")
    assert sum(splits_of(written()).values()) == 6


def test_images_with_numbers_behind_their_names_are_no_masks(tmp_path: Path) -> None:
    for name in ("a.png", "a_1.png", "a_2.png"):
        for label in ("cat", "dog"):
            (tmp_path / "train" / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "train" / label / name).touch()
    assert mask_splits(tmp_path) == {}


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=SLOW)])
def test_shades_of_grey_are_no_classes(
    tool: Any, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str], step: int
) -> None:
    root = folder("masks")
    (root / "classes.txt").unlink()
    ramp = np.arange(256, dtype=np.uint8) // step * step  # what blurring a mask of 0 and 255 gives
    for path in (root / "SegmentationClass").iterdir():
        save_mask(root, path.stem, np.resize(ramp, load_mask(root, path.stem).shape))
    assert tool("new_config", root, "own.py", "--size", "slim") == 2
    assert "as greys do: " in capsys.readouterr().err
    assert not Path("own.py").exists()


def test_masks_in_sub_folders_are_looked_at_too(tool: Any, folder: Callable[[str], Path]) -> None:
    root = folder("masks")
    (root / "classes.txt").unlink()
    for part in ("JPEGImages", "SegmentationClass"):
        (root / part / "deep").mkdir()
        for path in (root / part).glob("*.*"):
            path.rename(root / part / "deep" / path.name)
    for path in (root / "SegmentationClass/deep").iterdir():
        Image.fromarray(np.array(Image.open(path)) * np.uint8(100)).save(path)
    for listed in (root / "ImageSets/Segmentation").iterdir():
        listed.write_text("".join(f"deep/{name}\n" for name in listed.read_text().split()))
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    assert "label_map={0: 0, 100: 1, 200: 2}" in Path("own.py").read_text()


def test_odd_names_are_written_as_they_are(tool: Any, folder: Callable[[str], Path]) -> None:
    root = folder("images").rename('it\'s "own"\n\\data')
    for split in ("train", "val"):
        (root / split / "box").rename(root / split / "o'box \\ {x}")
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    assert splits_of(written()) == {"train": 4, "val": 2}
    assert tuple(written().classes) == ("ball", "o'box \\ {x}")


def test_small_images_are_not_enlarged_and_large_ones_reduced(
    tool: Any, folder: Callable[[str], Path]
) -> None:
    root = folder("yolo")
    assert tool("new_config", root, "a.py", "--size", "full") == 0
    assert written("a.py").image_size == (64, 64)  # of 64 x 48, in steps of 32
    # 8 x 64 / 1000 would be anchors smaller than the distance of two: 4 to 64 px.
    assert written("a.py").model.rpn_head.anchor_generator.scales == [1.0]
    for path in (root / "images/train").iterdir():
        Image.new("L", (1100, 700)).save(path)
    assert tool("new_config", root, "b.py", "--size", "full") == 0
    assert tuple(written("b.py").image_size) == (1000, 600)
    assert written("b.py").model.rpn_head.anchor_generator.scales == [8]


# ---- what is refused ----


def test_a_folder_of_no_layout_is_refused_with_what_is_missing(
    tool: Any, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder("voc")
    shutil.rmtree(root / "Annotations")
    assert tool("new_config", root, "own.py") == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: the folder has none of the layouts that are read: ")
    lines = [" ".join(line.split()) for line in told.out.splitlines()]
    start = lines.index("boxes in Pascal VOC's layout (--layout voc):")
    assert lines[start + 1 : start + 4] == [
        "JPEGImages/ found",
        "Annotations/ MISSING: an XML file for each image",
        "ImageSets/Main/train.txt found",
    ]
    assert not Path("own.py").exists()
    Path("empty").mkdir()
    assert tool("new_config", "empty", "own.py") == 2
    assert all(f"--layout {name}" in capsys.readouterr().out for name in ("voc",))
    assert tool("new_config", "nowhere", "own.py") == 2
    assert "no such folder: nowhere" in capsys.readouterr().err
    Path("data.yaml").touch()
    assert tool("new_config", "data.yaml", "own.py") == 2
    assert "a file, not the folder of your data: data.yaml: give" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (
            ["images/a.png", "annotations/a.xml"],  # which is empty
            [
                "JPEGImages/ MISSING: images; there is images/",
                "Annotations/ MISSING: an XML file for each image; there is annotations/a.xml",
                "ls JPEGImages | sed 's/[.][^.]*$//' > ImageSets/Main/train.txt lists all images",
            ],
        ),
        (
            ["images/a.png", "masks/a.jpg"],
            [
                "JPEGImages/ MISSING: images; there is images/",
                "SegmentationClass/ MISSING: a mask (.png) for each image; there is masks/",
            ],
        ),
        (
            ["JPEGImages/a.png", "Annotations/a.xml", "ImageSets/Main/trainval.txt"],
            [
                "ImageSets/Main/train.txt MISSING: names of images without suffix; there is "
                "ImageSets/Main/trainval.txt"
            ],
        ),
        (
            ["images/a.png", "labels/a.txt", "classes.txt"],  # Label Studio's
            [
                "data.yaml MISSING: names of the classes, and where the splits are; there is "
                "classes.txt"
            ],
        ),
        (
            ["dl/train/cat/a.png", "dl/train/dog/a.png"],
            ["dl/ in it holds class folders: give that"],
        ),
    ],
)
def test_what_stands_in_the_place_of_a_part_is_named(
    tool: Any, capsys: pytest.CaptureFixture[str], files: list[str], lines: list[str]
) -> None:
    for file in files:
        path = Path("data", file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert tool("new_config", "data", "own.py") == 2
    told = " ".join(capsys.readouterr().out.split())
    assert [line for line in lines if line not in told] == []


def test_pictures_that_are_not_read_are_counted(
    tool: Any, caplog: pytest.LogCaptureFixture
) -> None:
    Path("data/train/cat").mkdir(parents=True)
    Path("data/train/cat/a.heic").touch()
    logger = MMLogger.get_current_instance()  # its own handler may write where an earlier test read
    logger.addHandler(caplog.handler)
    assert tool("new_config", "data", "own.py") == 2
    logger.removeHandler(caplog.handler)
    assert "passed over 1 picture for the suffix (1 .heic)" in caplog.text


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (("train2017", "val2017"), "train2017 and val2017"),
        (("train", "valid"), "train and valid"),
        (("images", "masks"), "images and masks"),
        (("JPEGImages", "SegmentationClass"), "JPEGImages and SegmentationClass"),
        (("train/images", "train/masks"), "images and masks"),
        (("img_dir/train", "ann_dir/train"), "ann_dir and img_dir"),
        (("train_images", "train_masks"), "train_images and train_masks"),
        (("train/cat", "val/cat"), "train and val"),
    ],
)
def test_splits_and_parts_of_other_layouts_are_no_classes(
    tool: Any, capsys: pytest.CaptureFixture[str], folders: tuple[str, ...], named: str
) -> None:
    for folder in folders:
        Path("data", folder).mkdir(parents=True)
        for number in range(3):
            picture(number).save(f"data/{folder}/{folder.replace('/', '')}{number}.png")
    assert tool("new_config", "data", "own.py") == 2
    told = capsys.readouterr()
    assert "the folder has none of the layouts that are read" in told.err
    assert f"If {named} are classes, --layout images says so." in told.out


def test_classes_may_have_such_names_if_the_layout_is_stated(tool: Any) -> None:
    for name in ("train", "tram"):
        Path("cars", name).mkdir(parents=True)
        for number in range(4):
            picture(number + len(name)).save(f"cars/{name}/{number}.png")
    assert tool("new_config", "cars", "own.py") == 2
    assert tool("new_config", "cars", "own.py", "--layout", "images", "--size", "slim") == 0
    assert tuple(written().classes) == ("train", "tram")


def test_a_folder_of_two_layouts_is_asked_about(
    tool: Any, folder: Callable[[str], Path], drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder("voc")
    shutil.copytree(drawn / "masks", root, dirs_exist_ok=True)
    assert tool("new_config", root, "own.py") == 2
    error = capsys.readouterr().err
    assert "holds boxes in Pascal VOC's layout and masks" in error
    assert "--layout voc or --layout masks" in error
    assert tool("new_config", root, "own.py", "--layout", "masks", "--size", "slim") == 0
    assert written().train_dataloader.dataset.type == "MaskFolder"
    assert tool("new_config", root, "b.py", "--layout", "coco") == 2
    assert "does not have the layout coco" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("annotations/instances_{}2017.json", "{}2017"),
        ("{}/_annotations.coco.json", "{}"),
        pytest.param("annotations/{}.json", "images/{}", marks=SLOW),
        pytest.param("{}_annotations.json", "{}", marks=SLOW),
    ],
)
@pytest.mark.parametrize("val", ["val", "valid", None])
def test_coco_is_found_where_others_put_it(
    tool: Any, folder: Callable[[str], Path], file: str, images: str, val: str | None
) -> None:
    root = folder("coco")
    before = (root / "annotations").rename(root / "before")
    (root / "images").rename(root / "pictures")
    for split, name in (("train", "train"), ("val", val)):
        if name is None:
            continue
        target = root / file.format(name)
        content = json.loads((before / f"{split}.json").read_text())
        (root / images.format(name)).mkdir(parents=True)
        for entry in content["images"]:
            shutil.copy(root / "pictures" / entry["file_name"], root / images.format(name))
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(content))
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    cfg = written()
    assert splits_of(cfg) == ({"train": 4, "val": 2} if val else {"train": 3, "val": 1})
    assert tuple(cfg.classes) == CLASSES


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("a.jpg", "images/train/"),
        ("train/a.jpg", "images/"),
        ("images/train/a.jpg", ""),  # Label Studio's
        ("images\\train\\a.jpg", ""),
    ],
)
def test_cocos_images_are_looked_for_where_their_names_begin(
    tmp_path: Path, name: str, prefix: str
) -> None:
    for folder in ("annotations", "images/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "images/train/a.jpg").touch()
    listed = json.dumps({"images": [{"file_name": name}]})
    (tmp_path / "annotations/train.json").write_text(listed)
    assert coco_splits(tmp_path)["train"]["data_prefix"] == {"img": prefix}


@pytest.mark.parametrize("name", ["result.json", "annotations/instances_default.json"])
def test_a_single_coco_file_holds_the_training_images(tmp_path: Path, name: str) -> None:
    for folder in ("annotations", "images/default"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "images/default/a.jpg").touch()
    content = {"images": [{"file_name": "a.jpg"}], "annotations": [], "categories": []}
    (tmp_path / "package.json").write_text("{}")
    assert coco_splits(tmp_path) == {}
    (tmp_path / name).write_text(json.dumps(content))
    assert coco_splits(tmp_path)["train"]["ann_file"] == name
    (tmp_path / "other.json").write_text(json.dumps(content))
    assert coco_splits(tmp_path) == {}  # which of the two?
    (tmp_path / "other.json").rename(tmp_path / "val.json")
    assert "train" not in coco_splits(tmp_path)


def test_folders_of_another_year_are_no_matter(
    tool: Any, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder("coco")
    shutil.copytree(root / "images", root / "train2014")
    (root / "images").rename(root / "train2017")
    (root / "annotations/val.json").unlink()
    (root / "annotations/train.json").rename(root / "annotations/instances_train2017.json")
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    text = (root / "annotations/instances_train2017.json").read_text()
    (root / "annotations/instances_train2014.json").write_text(text)
    assert tool("new_config", root, "b.py", "--size", "slim") == 2
    assert "train2014 and train2017 may both be the train split" in capsys.readouterr().err


def test_a_split_of_coco_without_images_is_named(
    tool: Any, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder("coco")
    (root / "images").rename(root / "train2017")
    for split in ("train", "val"):
        file = root / f"annotations/{split}.json"
        file.rename(file.with_name(f"instances_{split}2017.json"))
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    told = capsys.readouterr().out
    assert "instances_val2017.json is no val split: no folder of its images was found" in told
    assert "no val split: a fifth of the training images is held out" in told


@SLOW
def test_roboflows_train_images_are_no_class_folders(
    tool: Any, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder("yolo")
    for split, theirs in (("train", "train"), ("val", "valid")):
        for kind in ("images", "labels"):
            (root / theirs).mkdir(exist_ok=True)
            (root / kind / split).rename(root / theirs / kind)
    (root / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\nnames: [ball, box]\n"
    )
    assert tool("new_config", root, "own.py", "--size", "slim") == 0
    assert splits_of(written()) == {"train": 4, "val": 2}


def test_nothing_is_overwritten_and_mistakes_in_the_data_are_told(
    tool: Any, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder("coco")
    Path("own.py").write_text("x = 1\n")
    assert tool("new_config", root, "own.py") == 3
    assert Path("own.py").read_text() == "x = 1\n"
    assert tool("new_config", root, "own.json") == 2
    assert tool("new_config", root, "nowhere/own.py") == 2
    path = root / "annotations/train.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"] = [1, 2, 3]
    path.write_text(json.dumps(content))
    capsys.readouterr()
    assert tool("new_config", root, "b.py") == 2
    assert "bbox is not four numbers" in capsys.readouterr().err
    assert not Path("b.py").exists()
