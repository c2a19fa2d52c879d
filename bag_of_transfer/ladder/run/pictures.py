"""Draw the predictions of every cell for a few test images, and the ground truth."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

from bag_of_transfer.engine.data.image_reader import read_image
from bag_of_transfer.engine.data.mask_reader import labels_of, read_mask
from bag_of_transfer.engine.fields import ANYTHING, NUMBER, NUMBERS, WHOLE, fields, list_of
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.tasks import ResultKind, task_named
from bag_of_transfer.ladder.folder import PICTURES, PREDICTIONS, TRUTH
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.run.fingerprint import resolved
from bag_of_transfer.ladder.run.status import is_done
from bag_of_transfer.pages.pictures import read_picture
from bag_of_transfer.prediction import drawing
from bag_of_transfer.prediction.colours import class_colours
from bag_of_transfer.prediction.inputs import Source
from bag_of_transfer.prediction.pairs import side_by_side
from bag_of_transfer.prediction.picture_names import name_pictures
from bag_of_transfer.prediction.png_file import write_png
from bag_of_transfer.segmentation.metrics import name_of

__all__ = ["draw_cell", "draw_sheets"]

# Smaller images are enlarged until their shorter side has this length.
HEIGHT_PX = 240
# Boxes with lower scores would cover the picture; mAP counts them nevertheless.
MIN_SCORE = 0.3
BOXES = list_of(
    fields({"image_id": ANYTHING, "category_id": WHOLE, "bbox": NUMBERS, "score": NUMBER})
)

Panel = Image.Image


def draw_cell(cell: Cell, count: int) -> None:
    """Draw the predictions of a fine-tuned cell for ``count`` test images, and the ground truth.

    The images are spread evenly over the test split and are the same for every rung.  Pictures go
    to ``pictures/<image>.png`` in the cell's folder and ``truth/<task>/<image>.png`` in the
    ladder's.
    """
    cfg = resolved(cell)
    if cfg is None or cell.task is None:
        return
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    painter = PAINTERS[task_named(cell.kind).result]
    predictions = painter.read(cell, dataset)
    indices = np.unique(np.linspace(0, len(dataset) - 1, count).astype(int))
    infos = [dataset.get_data_info(int(index)) for index in indices]
    for info, name in zip(infos, _names([info["img_path"] for info in infos]), strict=True):
        write_png(cell.folder / PICTURES / name, painter.draw(cell, dataset, info, predictions))
        # Drawn again by every cell, because the labels may have been corrected meanwhile.
        truth = cell.root / TRUTH / cell.task.name / name
        write_png(truth, painter.draw(None, dataset, info, {}))


def _names(images: Sequence[str]) -> list[str]:
    """Return unique names for pictures of images, with the folders that the images do not share."""
    shared = os.path.commonpath([Path(image).parent for image in images]) if images else ""
    below = ["_".join(Path(image).relative_to(shared).parts) for image in images]
    sources = [Source(Path(i), PurePosixPath(b)) for i, b in zip(images, below, strict=True)]
    return [f"{name}.png" for name in name_pictures(sources)]


def draw_sheets(cells: Sequence[Cell], folder: Path) -> list[Path]:
    """Draw a sheet per image with the ground truth and every rung of the first seed in a row."""
    reported = [cell for cell in cells if cell.task and not cell.tunes]
    first = min((cell.seed for cell in reported), default=None)
    tuned = [cell for cell in reported if cell.seed == first and is_done(cell.folder)]
    drawn = []
    for task in dict.fromkeys(cell.task.name for cell in tuned if cell.task):
        of_task = [cell for cell in tuned if cell.task and cell.task.name == task]
        folders = [("ground truth", of_task[0].root / TRUTH / task)]
        folders += [(cell.rung.label, cell.folder / PICTURES) for cell in of_task]
        names = {path.name for _, pictures in folders[1:] for path in pictures.glob("*.png")}
        for name in sorted(names):
            read = [(label, read_picture(pictures / name)) for label, pictures in folders]
            panels = [(label, picture) for label, picture in read if picture is not None]
            if panels:
                drawn.append(folder / f"{task}_{name}")
                write_png(drawn[-1], side_by_side(panels))
    return drawn


# ---- detection ----


def _read_boxes(cell: Cell, dataset: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the predicted boxes by image, with labels instead of category numbers."""
    classes = dataset.metainfo["classes"]
    numbers = {label + 1: label for label in range(len(classes))}
    if truth := dataset.metainfo.get("coco_truth"):  # COCO's categories have ids of their own
        numbers = {category_id: label for label, category_id in enumerate(truth.ids_of(classes))}
    by_image: dict[str, list[dict[str, Any]]] = {}
    for row in read_json(cell.folder / PREDICTIONS, "run the cell again", BOXES, list):
        if row["score"] >= MIN_SCORE:
            box = {**row, "label": numbers[row["category_id"]]}
            by_image.setdefault(str(row["image_id"]), []).append(box)
    return by_image


def _draw_boxes(
    cell: Cell | None,
    dataset: Any,
    info: Mapping[str, Any],
    predictions: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Panel:
    if cell is None:
        pairs = [(item["bbox"], item["bbox_label"]) for item in info["instances"]]
        scores = None
    else:
        rows = predictions.get(str(info["img_id"]), [])
        pairs = [(_xyxy(row["bbox"]), row["label"]) for row in rows]
        scores = [row["score"] for row in rows]
    boxes_xyxy = np.array([box for box, _ in pairs], dtype=float).reshape(-1, 4)
    labels = [label for _, label in pairs]
    image, classes = read_image(info["img_path"]), dataset.metainfo["classes"]
    return drawing.with_boxes(image, boxes_xyxy, labels, classes, scores, HEIGHT_PX)


def _xyxy(box_xywh: Sequence[float]) -> list[float]:
    x, y, width, height = box_xywh
    return [x, y, x + width, y + height]


# ---- segmentation ----


def _draw_mask(
    cell: Cell | None, dataset: Any, info: Mapping[str, Any], predictions: Mapping[str, Any]
) -> Panel:
    image, file = info["img_path"], info["seg_map_path"]
    if cell:
        name = name_of(image, dataset.metainfo.get("img_dir"))
        file = cell.folder / PREDICTIONS / f"{name}.png"
    mask = labels_of(read_mask(file), info)  # predictions have the numbers of the data's masks
    classes = dataset.metainfo["classes"]
    picture = drawing.with_mask(read_image(image), mask, classes, HEIGHT_PX)
    colours = class_colours(classes)
    occurring = [label for label in np.unique(mask).tolist() if 0 <= label < len(classes)]
    return drawing.with_legend(picture, [(colours[each], classes[each]) for each in occurring])


# ---- by kind of result ----


class _Painter(NamedTuple):
    """How to read a cell's predictions once, and how to draw one image with its predictions."""

    read: Callable[[Cell, Any], Mapping[str, Any]]
    draw: Callable[[Cell | None, Any, Mapping[str, Any], Mapping[str, Any]], Panel]


PAINTERS: dict[ResultKind, _Painter] = {
    "boxes": _Painter(_read_boxes, _draw_boxes),
    "mask": _Painter(lambda cell, dataset: {}, _draw_mask),  # a file per image
}
