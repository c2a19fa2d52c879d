"""Tiny clean data sets of the five formats, and configs that read them."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from bag_of_transfer.data_checks.check import Report, check_data
from bag_of_transfer.data_checks.splits import build_splits

WIDTH, HEIGHT = 64, 48
SIZES = {"train": 4, "val": 2}
CLASSES = ("ball", "box")
BOXES = {"ball": (4, 5, 24, 30), "box": (30, 10, 60, 40)}  # x1 y1 x2 y2, counted from 0
LISTS = {"voc": "ImageSets/Main", "masks": "ImageSets/Segmentation"}


def picture(seed: int) -> Image.Image:
    """Draw a picture that no other seed's resembles."""
    rough = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))


def names(split: str) -> list[str]:
    """Return the names of a split's images: train0, train1, ..."""
    return [f"{split}{number}" for number in range(SIZES[split])]


def seed_of(split: str, number: int) -> int:
    return 100 * [*SIZES].index(split) + number


def draw_images(root: Path) -> None:
    for split in SIZES:
        for number, name in enumerate(names(split)):
            path = root / split / CLASSES[number % 2] / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(seed_of(split, number)).save(path, quality=95)


def draw_listed(root: Path, world: str, folder: str, truth: Callable[[str], None]) -> None:
    for part in (folder, LISTS[world], "JPEGImages"):
        (root / part).mkdir(parents=True)
    for split in SIZES:
        for number, name in enumerate(names(split)):
            picture(seed_of(split, number)).save(root / f"JPEGImages/{name}.jpg", quality=95)
            truth(name)
        (root / LISTS[world] / f"{split}.txt").write_text("\n".join(names(split)) + "\n")


def draw_voc(root: Path) -> None:
    draw_listed(root, "voc", "Annotations", lambda name: xml_of(root, name).write_text(xml()))


def xml_of(root: Path, name: str) -> Path:
    return root / f"Annotations/{name}.xml"


def xml(boxes: list[tuple[str, tuple[float, ...]]] | None = None, extra: str = "") -> str:
    """Write an annotation of the boxes, which are counted from 0."""
    objects = "".join(
        f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{x1 + 1}</xmin>"
        f"<ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, (x1, y1, x2, y2) in (list(BOXES.items()) if boxes is None else boxes)
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    return f"<annotation>{size}{objects}{extra}</annotation>"


def draw_coco(root: Path) -> None:
    for folder in ("images", "annotations"):
        (root / folder).mkdir(parents=True)
    for split in SIZES:
        images, notes = [], []
        for number, name in enumerate(names(split)):
            picture(seed_of(split, number)).save(root / f"images/{name}.png")
            file = dict(file_name=f"{name}.png", width=WIDTH, height=HEIGHT)
            images.append(dict(id=number + 1, **file))
            for category, (x1, y1, x2, y2) in enumerate(BOXES.values(), start=1):
                box = [x1, y1, x2 - x1, y2 - y1]
                note = dict(image_id=number + 1, category_id=category, bbox=box, iscrowd=0)
                notes.append(dict(note, id=len(notes) + 1, area=box[2] * box[3]))
        categories = [dict(id=number, name=name) for number, name in enumerate(CLASSES, 1)]
        content = dict(images=images, annotations=notes, categories=categories)
        (root / f"annotations/{split}.json").write_text(json.dumps(content))


def draw_yolo(root: Path) -> None:
    for split in SIZES:
        for number, name in enumerate(names(split)):
            for path in (root / f"images/{split}/{name}.png", root / f"labels/{split}/{name}.txt"):
                path.parent.mkdir(parents=True, exist_ok=True)
            picture(seed_of(split, number)).save(root / f"images/{split}/{name}.png")
            (root / f"labels/{split}/{name}.txt").write_text(yolo_lines())
    splits = "".join(f"{split}: images/{split}\n" for split in SIZES)
    (root / "data.yaml").write_text(f"{splits}names: [{', '.join(CLASSES)}]\n")


def yolo_lines() -> str:
    """Write the labels of the boxes."""
    lines = []
    for label, (x1, y1, x2, y2) in enumerate(BOXES.values()):
        sides = ((x2 - x1) / WIDTH, (y2 - y1) / HEIGHT)
        lines.append(
            f"{label} {(x1 + x2) / 2 / WIDTH} {(y1 + y2) / 2 / HEIGHT} {sides[0]} {sides[1]}\n"
        )
    return "".join(lines)


def draw_masks(root: Path) -> None:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for label, (x1, y1, x2, y2) in enumerate(BOXES.values(), start=1):
        labels[y1:y2, x1:x2] = label
    draw_listed(root, "masks", "SegmentationClass", lambda name: save_mask(root, name, labels))
    (root / "classes.txt").write_text("ground\nball\nbox\n")


def save_mask(root: Path, name: str, labels: np.ndarray) -> None:
    Image.fromarray(labels).save(root / f"SegmentationClass/{name}.png")


def load_mask(root: Path, name: str) -> np.ndarray:
    return np.array(Image.open(root / f"SegmentationClass/{name}.png"))


WORLDS = dict(images=draw_images, voc=draw_voc, coco=draw_coco, yolo=draw_yolo, masks=draw_masks)
SCOPES = dict(images="mmengine", voc="mmdet", coco="mmdet", yolo="mmdet", masks="mmseg")
TASKS = dict(images="cls", voc="det", coco="det", yolo="det", masks="seg")


@contextlib.contextmanager
def drawn_worlds(folder: Path) -> Iterator[Path]:
    """Draw a data set of each format into the folder, which also keeps what looks at them find."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bag_of_transfer.engine.data.image_scan.SCAN_DIR", folder / "scans")
        for world, draw in WORLDS.items():
            draw(folder / world)
        yield folder


def described(world: str, root: Path, split: str) -> dict[str, Any]:
    """Return a split's description as shipped configs have it."""
    # Serialising calls the garbage collector, which takes long in a large process.
    judged: dict[str, Any] = dict(serialize_data=False, test_mode=split != "train")
    if world == "images":
        source = {} if split == "train" else dict(classes_from=str(root / "train"))
        return dict(type="ImageFolder", root=str(root / split), pipeline=[], **source)
    if world == "masks":
        listed = dict(split=f"{LISTS[world]}/{split}.txt")
        return dict(type="MaskFolder", data_root=str(root), **listed, **judged)
    if world == "yolo":
        return dict(type="YoloFormat", data_root=str(root), split=split, **judged)
    kind, pattern = ("VocFormat", "ImageSets/Main/{}.txt")
    if world == "coco":
        kind, pattern = ("CocoFormat", "annotations/{}.json")
        judged["data_prefix"] = dict(img="images/")
    files = dict(ann_file=pattern.format(split), classes_from=pattern.format("train"))
    return dict(type=kind, data_root=str(root), **files, **judged)


def config(
    world: str, root: Path, splits: tuple[str, ...] = ("train", "val"), **train: Any
) -> Config:
    """Return a config of the data; ``train`` changes the description of its training data."""
    cfg: dict[str, Any] = dict(default_scope=SCOPES[world], task=TASKS[world], optim_wrapper={})
    for split in splits:
        more = train if split == "train" else {}
        cfg[f"{split}_dataloader"] = dict(dataset={**described(world, root, split), **more})
        cfg |= {f"{split}_cfg": {}, f"{split}_evaluator": []}
    return Config(cfg)


def looked_at(
    world: str, root: Path, splits: tuple[str, ...] = ("train", "val"), **train: Any
) -> Report:
    """Return what is found in data; the arguments are those of :func:`config`."""
    with DefaultScope.overwrite_default_scope(SCOPES[world]):
        return check_data(config(world, root, splits, **train))


def at_start(
    world: str, root: Path, splits: tuple[str, ...] = ("train", "val"), **train: Any
) -> Report:
    """Return what building the data sets finds, as at every start."""
    with DefaultScope.overwrite_default_scope(SCOPES[world]):
        return Report(tuple(build_splits(config(world, root, splits, **train))[1]))
