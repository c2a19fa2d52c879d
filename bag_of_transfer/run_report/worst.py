"""Draw the images that a test got worst, each with its truth beside its prediction."""

from pathlib import Path
from typing import Any

from bag_of_transfer.engine.data.image_reader import read_image
from bag_of_transfer.engine.loop.details import worst_images
from bag_of_transfer.engine.run.evaluation import Evaluated
from bag_of_transfer.engine.run_files import WORST
from bag_of_transfer.engine.tasks import task_named
from bag_of_transfer.prediction.outcomes import mistakes
from bag_of_transfer.prediction.pairs import draw_pair
from bag_of_transfer.prediction.png_file import write_png
from bag_of_transfer.prediction.results import RESULTS
from bag_of_transfer.prediction.truth import truth_in

__all__ = ["draw_worst"]


def draw_worst(evaluated: Evaluated) -> list[dict[str, Any]]:
    """Draw the worst images of a test into the work dir's folder ``worst``, the worst first.

    The network sees these images again, so that no evaluation has to keep every prediction.

    Args:
        evaluated: What the test gave.

    Returns:
        For each the image's name, its figure, the picture's name, and its mistakes in words.
    """
    details, dataset = evaluated.details, evaluated.dataset
    if details is None or not hasattr(dataset, "get_data_info"):
        return []
    kind = task_named(evaluated.record["task"]).result
    classes = tuple(dataset.metainfo["classes"])
    drawn = []
    for number, (index, figure) in enumerate(worst_images(details), start=1):
        info = dataset.get_data_info(index)
        path = Path(info["img_path"])
        known = (path, read_image(path).size, classes, True)
        result = RESULTS[kind].of_output(known, evaluated.again(index))
        truth, min_score = truth_in(info, kind, classes), details.score or 0.0
        name = f"{number:02}.png"
        write_png(evaluated.work_dir / WORST / name, draw_pair(result, truth, min_score))
        facts = {"image": path.name, "figure": round(figure, 2), "picture": name}
        drawn.append({**facts, "mistakes": mistakes(result, truth, min_score)})
    return drawn
