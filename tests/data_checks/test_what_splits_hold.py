"""Splits are counted as they were drawn; the tool shows the counts as a table and as JSON."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image
from rich.console import Console

import bag_of_transfer.classification.image_folder
import bag_of_transfer.detection.datasets
import bag_of_transfer.segmentation.datasets  # noqa: F401  they register their classes
from bag_of_transfer.data_checks.check import Report, check_data
from bag_of_transfer.data_checks.counts import ClassCount, Range, count_split
from bag_of_transfer.data_checks.ledger import LEDGER
from bag_of_transfer.data_checks.pretraining import pretraining_split
from bag_of_transfer.data_checks.report import as_json, below, show
from bag_of_transfer.data_checks.splits import Box, Example, Split
from bag_of_transfer.data_checks.summary import class_grid, short_lines
from bag_of_transfer.engine.errors import UserError
from tests.data_checks.worlds import (
    WORLDS,
    config,
    drawn_worlds,
    looked_at,
    picture,
    save_mask,
    xml,
    xml_of,
)

GROUND, BALL, BOX = 64 * 48 - 20 * 25 - 30 * 30, 20 * 25, 30 * 30  # pixels of what is drawn


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Report]]:
    """Return what is found in one data set of each format, in whose train0 something differs."""
    with drawn_worlds(tmp_path_factory.mktemp("worlds")) as folder:
        difficult = xml([("ball", (4, 5, 24, 30))]).replace("<difficult>0", "<difficult>1")
        xml_of(folder / "voc", "train0").write_text(difficult)
        xml_of(folder / "voc", "train1").write_text(xml([]))
        (folder / "images/train/ball/small.png").parent.mkdir(exist_ok=True)
        picture(77).resize((20, 10)).save(folder / "images/train/ball/small.png")
        yield {world: looked_at(world, folder / world) for world in WORLDS}


def classes(report: Report, split: int = 0) -> dict[str, tuple[int, ...]]:
    """Return the numbers of images, objects, ignored boxes and pixels of each class."""
    return {each.name: tuple(each[1:]) for each in report.counts[split].classes}


def test_classes_are_counted_by_what_the_format_states(reports: dict[str, Report]) -> None:
    assert classes(reports["images"]) == {"ball": (3, 0, 0, 0), "box": (2, 0, 0, 0)}
    assert classes(reports["coco"]) == {"ball": (4, 4, 0, 0), "box": (4, 4, 0, 0)}
    assert classes(reports["voc"]) == {"ball": (2, 2, 1, 0), "box": (2, 2, 0, 0)}
    pixels = {"ground": GROUND, "ball": BALL, "box": BOX}
    assert classes(reports["masks"]) == {n: (4, 0, 0, 4 * p) for n, p in pixels.items()}
    assert classes(reports["masks"], 1) == {n: (2, 0, 0, 2 * p) for n, p in pixels.items()}


def test_sizes_boxes_per_image_and_images_without_objects(reports: dict[str, Report]) -> None:
    train = reports["images"].counts[0]
    assert train.sizes == ((20, 10), (64, 48), (64, 48), 2)
    assert train.boxes_per_image is None
    voc = reports["voc"].counts[0]
    assert voc.boxes_per_image == Range(0, 1.5, 2)
    assert (voc.empty, reports["voc"].counts[1].empty) == (1, 0)


def test_a_training_filter_is_told(reports: dict[str, Report]) -> None:
    root = Path(reports["voc"].splits[0].parts[0].data_root)
    report = looked_at("voc", root, filter_cfg=dict(filter_empty_gt=True))
    assert (report.counts[0].images, report.counts[0].left_out) == (3, 1)
    assert "left out by filter_cfg" in shown(report)


def shown(report: Report, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    show(report, console)
    return console.file.getvalue()


@pytest.mark.parametrize("world", WORLDS)
def test_tables_fit_a_narrow_terminal_and_json_is_the_same(
    world: str, reports: dict[str, Report]
) -> None:
    report = reports[world]
    three = report._replace(counts=(*report.counts, report.counts[1]._replace(split="test")))
    text = shown(three)
    assert max(map(len, text.splitlines())) <= 80
    data = json.loads(json.dumps(as_json(three, "mine.py")))["splits"]
    assert [*data] == ["train", "val", "test"]
    lines = [line.split() for line in reversed(text.splitlines()) if line.strip()]
    table = {first: rest for first, *rest in lines}  # of lines with the same word, the first
    assert table["images"] == [str(data[name]["images"]) for name in data]
    key = "images" if world in ("images", "masks") else "objects"
    for each in data["train"]["classes"]:
        assert str(each[key]) in table[each["name"]]


def test_many_classes_are_cut_in_the_middle_and_names_cannot_act() -> None:
    names = [f"\x1b[31m{number}" for number in range(100)]
    boxes = Split("train", tuple(names), (), ())
    counts = count_split(boxes, {})
    numbers = [ClassCount(name, number) for number, name in enumerate(names)]
    counts = counts._replace(truth="classes", classes=tuple(numbers))
    grid = class_grid([counts])
    assert (len(grid.rows), grid.left_out) == (30, 70)
    assert (grid.rows[0][1], grid.rows[-1][1]) == ("99", "0")
    text = shown(Report((), counts=(counts,)))
    assert "\x1b" not in text
    assert "train: 1 of 100 classes never seen: \\x1b[31m0" in text


@pytest.mark.parametrize(
    ("numbering", "labels"),
    [
        ({}, {0: 10, 1: 20, 2: 30}),
        ({"reduce_zero_label": True}, {0: 20, 1: 30}),
        ({"reduce_zero_label": True, "label_map": {1: 255}}, {0: 20}),
        ({"label_map": {2: 1}}, {0: 10, 1: 50}),
    ],
)
def test_values_of_masks_become_labels_as_in_training(
    numbering: dict[str, Any], labels: dict[int, int], reports: dict[str, Report]
) -> None:
    image, mask = Path("a.jpg"), Path("a.png")
    look = next(iter(reports["masks"].looks.values()))
    looks = {mask: look._replace(values=(0, 1, 2, 255), counts=(10, 20, 30, 5))}
    example = Example(image, Path(), mask=mask, numbering=numbering)
    counts = count_split(Split("train", ("a", "b", "c"), (example,), ()), looks)
    assert {n: each.pixels for n, each in enumerate(counts.classes) if each.pixels} == labels
    unseen = {"a", "b", "c"} - {"abc"[label] for label in labels}
    assert {*counts.never_seen} == unseen


def test_masks_that_nobody_looked_at_make_no_class_unseen(reports: dict[str, Report]) -> None:
    train = reports["masks"].splits[0]
    counts = count_split(train, {})
    assert (counts.unknown, counts.never_seen) == (4, ())
    assert short_lines([counts], []) == ["train: 4 images, 3 classes"]


def test_a_line_at_a_start_has_objects_and_classes_never_seen(reports: dict[str, Report]) -> None:
    train = reports["voc"].splits[0]
    bare = train._replace(classes=(*train.classes, "bat"))
    lines = short_lines([count_split(bare, {})], reports["voc"].shared)
    said = "4 objects and 1 difficult or crowd, 1 image without a box, 1 never seen (bat)"
    assert lines == [f"train: 4 images, 3 classes, {said}"]


def test_an_older_ledger_is_completed_and_still_finds_damage(tmp_path: Path) -> None:
    root = tmp_path / "masks"
    WORLDS["masks"](root)
    first = looked_at("masks", root)
    ledger = json.loads((root / LEDGER).read_text())
    old = {name: entry[:8] for name, entry in ledger["files"].items()}
    # Greys of 2 bits were read as 0, 85, 170 and 255.
    scaled = {n: [*e[:7], [85 * v for v in e[7]], *e[8:]] for n, e in ledger["files"].items()}
    for entries in (old, scaled):
        (root / LEDGER).write_text(json.dumps({**ledger, "files": entries}))
        assert looked_at("masks", root).counts == first.counts
        assert json.loads((root / LEDGER).read_text()) == ledger


def test_pixels_beyond_a_byte_and_below_zero_are_counted(tmp_path: Path) -> None:
    from bag_of_transfer.data_checks.look import look_at_mask

    path = tmp_path / "deep.tif"
    for values in ([[0, 300], [300, 70000]], [[-1, 5], [5, 5]]):
        Image.fromarray(np.array(values, np.int32)).save(path)
        expected = {v: sum(row.count(v) for row in values) for v in {v for r in values for v in r}}
        look = look_at_mask(path, path.read_bytes())
        assert dict(zip(look.values, look.counts, strict=True)) == expected
        assert look.size == (2, 2)


@pytest.fixture
def detection(reports: dict[str, Report], tmp_path: Path) -> Path:
    root = Path(reports["coco"].splits[0].parts[0].data_root)
    shutil.copytree(root, tmp_path / "coco")
    return tmp_path / "coco"


def compared(root: Path, source: Path) -> Report:
    before, warnings = pretraining_split(source)
    assert not warnings
    with DefaultScope.overwrite_default_scope("mmdet"):
        return check_data(config("coco", root, ("train", "val")), before)


def test_images_of_the_pretraining_are_searched_among_those_judged(
    detection: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pretraining"
    (folder / "some").mkdir(parents=True)
    Image.open(detection / "images/val0.png").save(folder / "some/other.bmp")
    near = Image.open(detection / "images/val1.png").resize((32, 24))
    near.save(folder / "near.png")
    shutil.copy(folder / "near.png", folder / "again.png")  # not this tool's business
    shutil.copy(detection / "images/train0.png", folder)  # learned from twice: no harm
    report = compared(detection, folder)
    kinds = {finding.kind: (finding.severity, finding.split) for finding in report.findings}
    assert kinds == {"shared-picture": ("error", "val"), "nearly-shared": ("warning", "val")}
    assert all("pretraining" in finding.detail for finding in report.findings)
    (pair,) = [p for p in as_json(report, "")["shared"] if p["splits"][0] == "pretraining"]
    assert pair == {"splits": ["pretraining", "val"], "same": 1, "nearly": 1}
    assert report.counts[-1].images == 4


def test_a_pretraining_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(UserError, match="no image"):
        pretraining_split(tmp_path)
    with pytest.raises(UserError, match=r"absent\.py"):
        pretraining_split(tmp_path / "absent.py")


def test_a_class_only_in_masks_of_val_is_told(tmp_path: Path) -> None:
    WORLDS["masks"](tmp_path)
    for number in range(4):
        save_mask(tmp_path, f"train{number}", np.eye(48, 64, dtype=np.uint8))
    report = looked_at("masks", tmp_path)
    (finding,) = [each for each in report.findings if each.kind == "class-only-judged"]
    assert finding.detail == "class box is in 2 images here, but in none of train"


def test_a_finding_in_a_text_file_names_its_line(tmp_path: Path) -> None:
    WORLDS["yolo"](tmp_path)
    labels = tmp_path / "labels/train/train0.txt"
    labels.write_text("0 0.5 0.5 0.2 0.2\n1 0.5 0.5\n")
    error = next(each for each in looked_at("yolo", tmp_path).findings)
    assert (error.file, error.place, error.severity) == (str(labels), "line 2", "error")


def test_boxes_of_an_image_in_two_lists_are_all_counted(tmp_path: Path) -> None:
    cat, dog = Box((1, 1, 5, 5), 0), Box((2, 2, 9, 9), 1)
    one = Example(tmp_path / "a.jpg", tmp_path, boxes=(cat,))
    other = one._replace(boxes=(cat, dog))
    assert one.joined(other).boxes == (cat, dog)
    assert other.joined(one).boxes == (cat, dog)
    listed = one._replace(annotation=tmp_path / "a.xml", boxes=(cat, cat), numbers=(0, 1))
    assert listed.joined(listed) == listed  # the same file, in two lists


def test_masks_of_some_images_are_no_finding_for_each_other_one(tmp_path: Path) -> None:
    WORLDS["masks"](tmp_path)
    for number in range(3):
        picture(900 + number).save(tmp_path / f"JPEGImages/more{number}.jpg")
    found = [e for e in looked_at("masks", tmp_path).findings if e.kind == "no-annotation"]
    assert [Path(each.file).name for each in found] == ["more0.jpg"]
    assert found[0].detail.endswith("and 2 other images have none")


def test_a_file_is_called_by_its_path_below_the_folder_of_the_data() -> None:
    assert below("/data", "/data/a.jpg, as /mnt/data/a.jpg and '/data/b c.jpg'") == (
        "a.jpg, as /mnt/data/a.jpg and 'b c.jpg'"
    )
    here = Path.cwd() / "data"
    assert below(str(here), "data/a.jpg is more/data/a.jpg") == "a.jpg is more/data/a.jpg"


def test_json_has_what_no_format_may_lose(reports: dict[str, Report]) -> None:
    data: dict[str, Any] = json.loads(json.dumps(as_json(reports["voc"], "mine.py")))
    assert data["schema"] == 1
    assert data["splits"]["train"]["boxes_per_image"] == {"least": 0, "median": 1.5, "most": 2}
    assert data["splits"]["train"]["sizes"]["smallest"] == [64, 48]
    assert data["splits"]["train"]["classes"][0] == {
        **dict(name="ball", images=2, objects=2, ignored=1, pixels=0),
    }
    assert data["shared"] == [{"splits": ["train", "val"], "same": 0, "nearly": 0}]
