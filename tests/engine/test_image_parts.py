"""Two parts of the data: no image file is in both, and the draw is the same on every machine."""

import importlib
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.logging import MMLogger
from PIL import Image

from bag_of_transfer.engine.data.data_sets import build_dataset
from bag_of_transfer.engine.data.image_parts import Picture, draw, held_out_part, remaining_part
from bag_of_transfer.engine.errors import UserError

NUM = 12
DATA = {
    "mmengine": "classification",
    "mmdet": "detection.datasets",
    "mmseg": "segmentation.datasets",
}
COCO_CLASSES = dict(metainfo=dict(classes=("a",)))


def pictures(*num_of_class: int) -> list[Picture]:
    return [
        Picture((label, n), f"{label}/{n}.png", label, None)
        for label, num in enumerate(num_of_class)
        for n in range(num)
    ]


def plain(num: int) -> list[Picture]:
    return [picture._replace(label=None) for picture in pictures(num)]


def drawn_of(drawn: Any, num_classes: int) -> list[int]:
    return [sum(label == each for each, _ in drawn) for label in range(num_classes)]


@pytest.mark.parametrize(("num", "fraction"), [(10, 0.2), (97, 0.33), (2, 0.5), (3, 0.99)])
def test_the_fraction_of_all_images_is_drawn_and_one_remains(num: int, fraction: float) -> None:
    assert len(draw(plain(num), fraction, 0)) == min(round(fraction * num), num - 1)


def test_classes_are_drawn_from_evenly_and_each_keeps_an_image_for_training() -> None:
    assert drawn_of(draw(pictures(10, 20, 40), 0.2, 0), 3) == [2, 4, 8]
    assert drawn_of(draw(pictures(*[1] * 6, 20), 0.5, 0), 7) == [*[0] * 6, 10]
    # A tenth of four images rounds to none, but of five such classes two images are held out.
    assert sum(drawn_of(draw(pictures(*[4] * 5), 0.1, 0), 5)) == 2


def test_the_draw_follows_from_seed_and_names_alone() -> None:
    first = draw(plain(50), 0.2, 0)
    moved = [picture._replace(file=f"/elsewhere/{picture.name}") for picture in plain(50)]
    known = {picture.file: picture.name for picture in (*plain(50), *moved)}
    assert {known[f] for f in draw(moved[::-1], 0.2, 0)} == {known[f] for f in first}
    assert draw(plain(50) * 3, 0.2, 0) == first  # listed three times
    assert draw(plain(50), 0.2, 1) != first
    assert draw(plain(50), 0.4, 0) > first  # a larger part adds images


@pytest.mark.parametrize("label", [None, 0])
def test_changed_copies_of_a_picture_stay_together(label: int | None) -> None:
    digests = ("0c2bb8b8b6d4b3cf9f9a51e06ae7a1a2", "Qh3vYt8sLzK2mN5pR7wX", "ffeeddccbbaa99887766")
    names = [f"train/{n}_jpg.rf.{digest}.jpg" for digest in digests for n in range(20)]
    copies = [Picture(name, name, label, None) for name in names]
    drawn = draw(copies, 0.2, 0)
    assert len(drawn) == 12
    assert len({name.partition(".rf.")[0] for name in drawn}) == 4
    with pytest.raises(UserError, match=r"0\.9 of 3 images is none"):
        draw(copies[::20], 0.9, 0)


def test_a_fraction_of_no_image_is_refused() -> None:
    with pytest.raises(UserError, match=r"0\.01 of 12 images is none: held_out\.fraction: "):
        draw(plain(12), 0.01, 0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures with class folders, boxes in both formats, and masks."""
    root = tmp_path_factory.mktemp("data") / "root"
    for folder in ("classes/a", "classes/b", "JPEGImages", "SegmentationClass", "Annotations"):
        (root / folder).mkdir(parents=True)
    coco: dict[str, list[Any]] = {"categories": [{"id": 1, "name": "a"}]}
    coco |= {"images": [], "annotations": []}
    for i in range(NUM):
        picture = Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8))
        for folder in ("classes/a" if i % 3 else "classes/b", "JPEGImages"):
            picture.save(root / folder / f"{i}.png")
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(root / f"SegmentationClass/{i}.png")
        coco["images"].append({"id": i, "file_name": f"{i}.png", "width": 8, "height": 8})
        if i % 4:  # every fourth image has no box
            box = {"bbox": [1, 1, 4, 5], "area": 20, "iscrowd": 0}
            coco["annotations"].append({"id": i, "image_id": i, "category_id": 1, **box})
        box_xml = "<object><name>a</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6"
        size = "<size><width>8</width><height>8</height></size>"
        text = f"<annotation>{size}{box_xml}</ymax></bndbox></object></annotation>"
        (root / f"Annotations/{i}.xml").write_text(text)
    (root / "boxes.json").write_text(json.dumps(coco))
    (root / "all.txt").write_text("".join(f"{i}\n" for i in range(NUM)))
    (root / "half.txt").write_text("".join(f"{i}\n" for i in range(NUM // 2)))
    return root


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    messages: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def _scans_stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bag_of_transfer.engine.data.image_scan.SCAN_DIR", tmp_path / ".scans")


def of(kind: str, root: Path, **more: Any) -> dict[str, Any]:
    where: dict[str, Any] = dict(data_root=str(root), serialize_data=False)
    stated: dict[str, dict[str, Any]] = {
        "ImageFolder": dict(root=str(root / "classes"), pipeline=[]),
        "VocFormat": dict(ann_file="all.txt", **where),
        "CocoFormat": dict(ann_file="boxes.json", data_prefix=dict(img="JPEGImages/"), **where),
        "CocoDataset": dict(
            ann_file="boxes.json", data_prefix=dict(img="JPEGImages/"), **COCO_CLASSES, **where
        ),
        "MaskFolder": where,
        "BaseSegDataset": dict(
            data_prefix=dict(img_path="JPEGImages", seg_map_path="SegmentationClass"),
            metainfo=dict(classes=("a", "b")),
            img_suffix=".png",
            **where,
        ),
    }
    return dict(type=kind, **{**stated[kind], **more})


def twice(part: dict[str, Any]) -> dict[str, Any]:
    return dict(type="RepeatDataset", times=2, dataset=part)


def joined(*parts: dict[str, Any]) -> dict[str, Any]:
    return dict(type="ConcatDataset", datasets=list(parts))


def names(dataset: Any) -> list[str]:
    return [Path(dataset.get_data_info(i)["img_path"]).name for i in range(len(dataset))]


def parts_of(
    scope: str, train: dict[str, Any], val: dict[str, Any], fraction: float = 0.25
) -> tuple[list[str], list[str]]:
    """Return the images of both parts."""
    importlib.import_module(f"bag_of_transfer.{DATA[scope]}")
    held_out = dict(dataset=val, fraction=fraction, seed=5)
    rest = build_dataset(dict(type=remaining_part, dataset=train, held_out=held_out), scope)
    return names(rest), names(build_dataset(dict(type=held_out_part, **held_out), scope))


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        ("mmengine", "ImageFolder"),
        *(("mmdet", kind) for kind in ("VocFormat", "CocoFormat", "CocoDataset")),
        *(("mmseg", kind) for kind in ("MaskFolder", "BaseSegDataset")),
    ],
)
def test_both_parts_of_any_data_set_are_all_its_images(
    root: Path, warnings: list[str], scope: str, kind: str
) -> None:
    rest, held = parts_of(scope, of(kind, root), of(kind, root))
    assert len(held) == 3
    assert sorted(rest + held) == sorted(f"{i}.png" for i in range(NUM))
    assert not [line for line in warnings if "drops" in line]  # boxes of the other part


def test_wrappers_stay_and_share_no_image_with_the_other_part(root: Path) -> None:
    whole, half = of("VocFormat", root), of("VocFormat", root, ann_file="half.txt")
    balanced = dict(type="ClassBalancedDataset", oversample_thr=0.1, dataset=half)
    train = joined(twice(whole), twice(balanced))
    rest, held = parts_of("mmdet", train, joined(whole, half))
    assert len(held) == len(set(held)) == 3  # each once, although half are listed twice
    assert not set(rest) & set(held)
    every = [f"{i}.png" for i in range(NUM)]
    assert sorted(rest) == sorted(
        name for name in 2 * (every + every[: NUM // 2]) if name not in held
    )


def test_a_link_to_an_image_is_that_image(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "classes", tmp_path / "linked/classes")
    for path in (tmp_path / "linked/classes").rglob("*.png"):
        path.unlink()
        path.symlink_to(root / path.relative_to(tmp_path / "linked"))
    train, held = parts_of(
        "mmengine", of("ImageFolder", tmp_path / "linked"), of("ImageFolder", root)
    )
    assert not set(train) & set(held)
    assert len(train) + len(held) == NUM


def test_what_training_leaves_out_may_be_judged_on(root: Path) -> None:
    with_boxes = of("CocoFormat", root, filter_cfg=dict(filter_empty_gt=True))
    rest, held = parts_of("mmdet", with_boxes, of("CocoFormat", root, test_mode=True), 0.5)
    assert len(held) == NUM // 2
    empty = {f"{i}.png" for i in range(0, NUM, 4)}
    assert empty & set(held)
    assert not empty & set(rest)
    assert set(rest) == {f"{i}.png" for i in range(NUM)} - empty - set(held)


def test_the_same_images_are_drawn_in_another_folder(root: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(root, tmp_path / "another/place"))
    for scope, kind in (("mmengine", "ImageFolder"), ("mmseg", "MaskFolder")):
        here, there = (of(kind, folder) for folder in (root, moved))
        assert parts_of(scope, here, here) == parts_of(scope, there, there)


def test_a_part_without_a_box_is_refused(root: Path) -> None:
    coco = json.loads((root / "boxes.json").read_text())
    coco["annotations"] = coco["annotations"][:1]
    (root / "one_box.json").write_text(json.dumps(coco))
    one = of("CocoFormat", root, ann_file="one_box.json")
    with pytest.raises(UserError, match=r"the (held-out|training) part .* has no box: held_out: "):
        parts_of("mmdet", one, one)


def test_a_data_set_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(UserError, match=r"the data set list cannot be divided: held_out: "):
        held_out_part(dict(type=lambda: [1, 2]), 0.5, 0)
