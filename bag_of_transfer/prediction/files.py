"""Write predictions: a picture per image, label masks, and ``predictions.json``."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bag_of_transfer.engine.atomic import write_bytes, write_json
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.fields import TEXT, fields, list_of, optional
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.progress import track
from bag_of_transfer.engine.tasks import task_named
from bag_of_transfer.prediction.inputs import MASKS, Source, name_pictures
from bag_of_transfer.prediction.predictor import Predictor
from bag_of_transfer.prediction.results import MIN_SCORE, Boxes, Mask, Result

__all__ = ["RECORD", "check_request", "write_predictions"]

SCHEMA = 1
RECORD = "predictions.json"
PICTURES = ("picture", "mask")  # what an image's row names
LISTS = fields({"images": list_of(fields(dict.fromkeys(PICTURES, optional(TEXT))))})


def check_request(
    sources: Sequence[Source],
    out_dir: Path,
    batch_size: int = 8,
    min_score: float = MIN_SCORE,
    force: bool = False,
) -> None:
    """Check the arguments of :func:`write_predictions` before anything slow is done or written.

    Raises:
        UserError: If a number is out of its range, ``out_dir`` is a file, or a picture would
            overwrite an input image.
        RefusedError: If there are earlier predictions and ``force`` is not given.
    """
    if batch_size < 1:
        raise UserError(f"a batch of {batch_size} images", "--batch-size", "give 1 or more")
    if not 0 <= min_score <= 1:
        raise UserError(f"{min_score} is not a score", "--min-score", "give a number from 0 to 1")
    if out_dir.exists() and not out_dir.is_dir():
        raise UserError("a file, not a folder", out_dir, "name another --out-dir")
    written = [out_dir / name for stem in name_pictures(sources) for name in _names(stem)]
    inputs = {source.path.resolve() for source in sources}
    for path in written:
        if path.resolve() in inputs:
            raise UserError("a picture would overwrite its image", path, "name another --out-dir")
    existing = [path for path in (out_dir / RECORD, *written) if path.exists()]
    if existing and not force:
        mend = "name another --out-dir, or overwrite with --force"
        raise RefusedError("there are predictions already", existing[0], mend)


def write_predictions(
    predictor: Predictor,
    sources: Sequence[Source],
    out_dir: Path,
    batch_size: int = 8,
    min_score: float = MIN_SCORE,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Predict all images and write the results; the record is written last.

    Before that, the record of an earlier call and the files that it lists are removed.

    Args:
        predictor: The trained network.
        sources: The images; unreadable ones are left out and listed in the record.
        out_dir: Folder for the results; it is created if missing.
        batch_size: Largest number of images per forward pass.
        min_score: Boxes with a lower score are neither drawn nor recorded.
        facts: Further entries for the head of the record.

    Returns:
        The record, see docs/files.md.

    Raises:
        UserError: If the folder cannot be created, or no image can be read.
    """
    _make_room(out_dir, {source.path.resolve() for source in sources})
    left_out: dict[Path, str] = {}

    def leave_out(path: Path, error: UserError) -> None:
        left_out[path] = error.what

    names = dict(zip((source.path for source in sources), name_pictures(sources), strict=True))
    results = predictor.stream(names, batch_size, leave_out)
    rows = []
    for result in track(results, "predicting", total=len(names)):
        shown = result.above(min_score) if isinstance(result, Boxes) else result
        rows.append(_write(shown, out_dir, names[result.path], min_score))
    if not rows:
        path, why = next(iter(left_out.items()))
        raise UserError(f"none of {len(names)} images can be used", path, why)
    record = {
        "schema": SCHEMA,
        "task": predictor.task,
        **(facts or {}),
        "classes": predictor.classes,
        **({"min_score": min_score} if task_named(predictor.task).result == "boxes" else {}),
        "num_images": len(rows),
        "num_left_out": len(left_out),
        "left_out": [{"file": path, "why": why} for path, why in left_out.items()],
        "images": rows,
    }
    write_json(out_dir / RECORD, record)
    return record


def _write(result: Result, out_dir: Path, name: str, min_score: float) -> dict[str, Any]:
    picture, mask = _names(name)
    drawn = result.draw(min_score) if isinstance(result, Boxes) else result.draw()
    _write_png(out_dir / picture, drawn)
    row = {"file": result.path, "size": result.size, "picture": picture}
    if isinstance(result, Mask):
        _write_png(out_dir / mask, Image.fromarray(np.ascontiguousarray(result.mask)))
        row["mask"] = mask
    return {**row, **result.record()}


def _names(stem: str) -> tuple[str, str]:
    return f"{stem}.png", f"{MASKS}/{stem}.png"


def _write_png(path: Path, image: Image.Image) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def _make_room(out_dir: Path, inputs: set[Path]) -> None:
    """Remove a record and then the files it lists: a removal cut short leaves no record."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise UserError(f"cannot create the folder ({why})", out_dir, "name another") from error
    record = out_dir / RECORD
    rows = (read_json_or_none(record, LISTS) or {"images": []})["images"]
    listed = [row[key] for row in rows for key in PICTURES if row.get(key)]
    record.unlink(missing_ok=True)
    for name in listed:
        path = (out_dir / name).resolve()
        # A record that somebody else wrote may name files elsewhere: those stay.
        if path.suffix == ".png" and path.is_relative_to(out_dir.resolve()) and path not in inputs:
            path.unlink(missing_ok=True)
