"""Draw the images that a test got worst, each with its truth beside its prediction."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bag_of_transfer.engine.atomic import replacing
from bag_of_transfer.engine.details import Details, worst_images
from bag_of_transfer.engine.evaluation import Evaluated
from bag_of_transfer.engine.image_reader import read_image
from bag_of_transfer.engine.run_files import WORST
from bag_of_transfer.engine.tasks import ResultKind, task_named
from bag_of_transfer.prediction import drawing
from bag_of_transfer.prediction.colours import class_colours
from bag_of_transfer.prediction.results import RESULTS, Boxes, Result

__all__ = ["draw_worst"]

Painter = Callable[[Result, dict[str, Any], Any, Details], tuple[Image.Image, Image.Image]]


def draw_worst(evaluated: Evaluated) -> list[dict[str, Any]]:
    """Draw the worst images of a test into the work dir's folder ``worst``, the worst first.

    The network sees these images again, so that no evaluation has to keep every prediction.

    Args:
        evaluated: What the test gave.

    Returns:
        For each the image's name, its figure, and the two files in that folder.
    """
    details = evaluated.details
    if details is None or not hasattr(evaluated.dataset, "get_data_info"):
        return []
    folder = evaluated.work_dir / WORST
    folder.mkdir(exist_ok=True)
    kind = task_named(evaluated.record["task"]).result
    drawn = []
    for number, (index, figure) in enumerate(worst_images(details), start=1):
        info = evaluated.dataset.get_data_info(index)
        path = Path(info["img_path"])
        files = {name: f"{number:02}_{name}.png" for name in ("truth", "predicted")}
        pictures = _pictures(evaluated, details, kind, info, evaluated.again(index))
        for name, picture in zip(files.values(), pictures, strict=True):
            with replacing(folder / name) as aside:
                picture.save(aside, format="PNG")
        drawn.append({"image": path.name, "figure": round(figure, 2), **files})
    return drawn


def _pictures(
    evaluated: Evaluated, details: Details, kind: ResultKind, info: dict[str, Any], output: Any
) -> tuple[Image.Image, Image.Image]:
    path, classes = Path(info["img_path"]), tuple(evaluated.dataset.metainfo["classes"])
    facts = (path, read_image(path).size, classes, True)
    return PAINTERS[kind](RESULTS[kind].of_output(facts, output), info, output, details)


def _classes(
    result: Result, info: dict[str, Any], output: Any, details: Details
) -> tuple[Image.Image, Image.Image]:
    picture = drawing.enlarged(result.image())[0]
    return drawing.with_lines(picture, [result.classes[info["gt_label"]]]), result.draw()


def _boxes(
    result: Result, info: dict[str, Any], output: Any, details: Details
) -> tuple[Image.Image, Image.Image]:
    objects = [item for item in info["instances"] if not item.get("ignore_flag")]
    boxes_xyxy = np.array([item["bbox"] for item in objects], dtype=float).reshape(-1, 4)
    labels = [item["bbox_label"] for item in objects]
    truth = drawing.with_boxes(result.image(), boxes_xyxy, labels, result.classes)
    assert isinstance(result, Boxes)
    return truth, result.draw(details.score or 0.0)


def _mask(
    result: Result, info: dict[str, Any], output: Any, details: Details
) -> tuple[Image.Image, Image.Image]:
    mask = output.gt_sem_seg.data[0].cpu().numpy()
    colours = class_colours(result.classes)
    there = [label for label in np.unique(mask).tolist() if label < len(colours)]
    legend = [(colours[label], result.classes[label]) for label in there]
    picture = drawing.with_mask(result.image(), mask, result.classes)
    return drawing.with_legend(picture, legend), result.draw()


PAINTERS: dict[ResultKind, Painter] = {"classes": _classes, "boxes": _boxes, "mask": _mask}
