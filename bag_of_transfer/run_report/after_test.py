"""What is shown and written after a test."""

from pathlib import Path
from typing import Any

from bag_of_transfer.engine.data.image_reader import read_image
from bag_of_transfer.engine.loop.class_table import class_table
from bag_of_transfer.engine.loop.details import Details, describe, worst_images, write_details
from bag_of_transfer.engine.loop.details_hook import command_line
from bag_of_transfer.engine.process_group import is_main_process
from bag_of_transfer.engine.run.evaluation import Evaluated
from bag_of_transfer.engine.run_files import TEST_DETAILS, WORST
from bag_of_transfer.engine.tasks import task_named
from bag_of_transfer.prediction.outcomes import mistakes
from bag_of_transfer.prediction.pairs import draw_pair
from bag_of_transfer.prediction.png_file import write_png
from bag_of_transfer.prediction.results import RESULTS
from bag_of_transfer.prediction.truth import truth_in
from bag_of_transfer.run_report import after_training

__all__ = ["after_test"]


def after_test(evaluated: Evaluated) -> None:
    """Print the table of the classes; write their record, plots, and pictures of the worst images.

    Nothing is done where the metric does not know the classes' results, or by other processes.
    """
    details = evaluated.details
    if details is None or not is_main_process():
        return
    worst = _draw_worst(evaluated, details)
    facts = {name: evaluated.record[name] for name in ("split", "metrics", "checkpoint_sha256")}
    record = describe(
        details,
        **facts,
        tta=evaluated.tta,
        command=command_line(),
        image_measure=details.image_measure,
        worst=worst,
    )
    print(class_table(record, evaluated.work_dir / TEST_DETAILS))
    write_details(evaluated.work_dir / TEST_DETAILS, record)
    after_training.draw_plots(record, evaluated.work_dir)


def _draw_worst(evaluated: Evaluated, details: Details) -> list[dict[str, Any]]:
    """Draw the worst images of a test into the work dir's folder ``worst``, the worst first.

    The network sees these images again, so that no evaluation has to keep every prediction.
    Returned are each image's name, its figure, the picture's name, and its mistakes in words.
    """
    dataset = evaluated.dataset
    if not hasattr(dataset, "get_data_info"):
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
