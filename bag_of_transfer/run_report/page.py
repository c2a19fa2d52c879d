"""``report.html`` of a single run: a single file that opens from disk and needs no network."""

import shlex
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.atomic import write_text
from bag_of_transfer.engine.loop.class_table import numbers_in_words
from bag_of_transfer.engine.loop.peak_memory import MIB
from bag_of_transfer.engine.quantities import duration, size
from bag_of_transfer.engine.run_files import RESOLVED_CONFIG, WORST
from bag_of_transfer.engine.tasks import task_named
from bag_of_transfer.pages.page import inline_plots, render_page
from bag_of_transfer.pages.pictures import picture_uri, read_picture
from bag_of_transfer.pages.plots import MIN_POINTS
from bag_of_transfer.run_report.plots import (
    MAX_LABELLED,
    Record,
    as_picture,
    confusion_plot,
    curve_plots,
    precision_recall_plot,
)
from bag_of_transfer.run_report.run import Run, read_work_dir
from bag_of_transfer.run_report.tables import class_table, confused_pairs, metrics_table

__all__ = ["PAGE", "write_page"]

PAGE = "report.html"
PICTURE_PX = 800  # truth and prediction beside each other


def write_page(folder: Path) -> Path:
    """Write the page of a run into its work dir, from what is there; return its path.

    Args:
        folder: The work dir of a run that is done, stopped or still training.

    Raises:
        UserError: If the folder has none of a run's files.
    """
    run = read_work_dir(folder)
    path = folder / PAGE
    write_text(path, render(run))
    return path


def render(run: Run) -> str:
    """Return the page as HTML; every text that comes from the folder is escaped."""
    return render_page(
        __package__,
        "run.html.j2",
        {},
        name=run.folder.resolve().name,
        noun=task_named(run.task).noun if run.task else "",
        facts=_facts(run),
        missing=run.missing,
        curves=inline_plots(curve_plots(run.curve, run.log)).get("curves", []),
        num_lines=len(run.curve),
        least_points=MIN_POINTS,
        most_open=MAX_LABELLED,
        metrics=_metrics(run),
        splits=[_split(run, name, record) for name, record in run.details.items()],
        tricks=run.tricks,
        data=_data(run),
        data_command=_data_command(run),
        environment=_environment(run),
        command=run.begun.get("command") or "",
        test_commands=[each["command"] for each in run.details.values() if each.get("command")],
        config=run.config,
        config_name=RESOLVED_CONFIG,
    )


def _facts(run: Run) -> list[tuple[str, str]]:
    facts = [("State", _state(run))]
    evaluated = {run.metrics.get("split"): run.metrics.get("metrics") or {}}
    evaluated |= {split: record["metrics"] for split, record in run.details.items()}
    for split, metrics in evaluated.items():
        pairs = list(metrics.items())[:2]
        facts += [(f"{name}, {split}", _number(value)) for name, value in pairs]
    seconds = run.metrics.get("seconds") or sum(line.get("seconds") or 0 for line in run.curve)
    return [*facts, ("Training time", duration(seconds))] if seconds else facts


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} %"


def _state(run: Run) -> str:
    if run.is_done:
        return "done"
    if not run.curve:
        return "no epoch yet"
    last = run.curve[-1]
    if run.begun.get("iterations"):
        return f"iteration {last.get('iter')} of {run.begun['iterations']}"
    of = f" of {run.begun['epochs']}" if run.begun.get("epochs") else ""
    return f"epoch {last['epoch']:g}{of}"


def _metrics(run: Run) -> Any:
    columns = {split: record["metrics"] for split, record in run.details.items()}
    if run.metrics.get("split") and run.metrics["split"] not in columns:
        columns[run.metrics["split"]] = run.metrics["metrics"]
    return metrics_table(columns) if columns else None


def _split(run: Run, split: str, record: Record) -> dict[str, Any]:
    few = len(record["confusion"]["names"]) <= MAX_LABELLED
    confusion = confusion_plot(record, split)
    plots = [confusion if few else None, precision_recall_plot(record, split)]
    drawn = inline_plots(plot for plot in plots if plot is not None).get(split, [])
    return {
        "name": split,
        "record": record,
        "words": numbers_in_words(record),
        "classes": class_table(record, f"Classes, {split}"),
        "pairs": confused_pairs(record, f"Confused most, {split}"),
        "plots": drawn,
        "picture": None if few or not confusion else picture_uri(as_picture(confusion), 1000),
        "worst": [_worst(run, entry) for entry in record.get("worst") or []],
    }


def _worst(run: Run, entry: Record) -> dict[str, Any]:
    # Only the name counts: the record may come from somebody else.
    picture = read_picture(run.folder / WORST / Path(entry["picture"]).name)
    uri = None if picture is None else picture_uri(picture, PICTURE_PX)
    figure, mistakes = f"{entry['figure']:.2f} %", entry.get("mistakes") or ""
    return {"image": entry["image"], "figure": figure, "mistakes": mistakes, "uri": uri}


def _data(run: Run) -> list[tuple[str, int, str]]:
    """Return (split, images, what is in them) of each split that is known."""
    rows = []
    if run.begun.get("train_images"):
        rows.append(("train", run.begun["train_images"], ""))
    for split, record in run.details.items():
        total = sum(entry["count"] for entry in record["classes"])
        there = sum(entry["count"] > 0 for entry in record["classes"])
        counted = "" if record["counted"] == "images" else f"{total} {record['counted']}, "
        words = f"{counted}{there} of {len(record['classes'])} classes"
        rows.append((split, record["num_images"], words))
    return rows


def _data_command(run: Run) -> str:
    """Return the command that shows the data; "" without the config."""
    config, page = run.folder / RESOLVED_CONFIG, run.folder / "data.html"
    words = ["python", "tools/check_data.py", str(config), "--page", str(page)]
    return shlex.join(words) if run.config else ""


def _environment(run: Run) -> list[tuple[str, str]]:
    metrics = run.metrics
    versions = metrics.get("versions") or {}
    peak = metrics.get("peak_memory") or {}
    rows = {
        "hardware": metrics.get("hardware"),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "seed": metrics.get("seed"),
        "peak memory": f"{size(peak['mib'] * MIB)}, {peak.get('kind')}" if peak.get("mib") else "",
        "checkpoint's SHA-256": metrics.get("checkpoint_sha256"),
        "backbone's SHA-256": metrics.get("backbone_sha256"),
    }
    return [(name, str(value)) for name, value in rows.items() if value not in (None, "")]
