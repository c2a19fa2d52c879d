"""Write predictions: pictures, label masks, objects cut out, videos, and ``predictions.json``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.arguments import check_count
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.fields import TEXT, fields, list_of, optional
from bag_of_transfer.engine.interruption import TerminatedError
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.tasks import task_named
from bag_of_transfer.prediction.inputs import Source
from bag_of_transfer.prediction.picture_names import CROPS, files_for, name_pictures
from bag_of_transfer.prediction.predictor import Predictor
from bag_of_transfer.prediction.record_file import write_record
from bag_of_transfer.prediction.videos import SUFFIX
from bag_of_transfer.prediction.work import Choices, Work

__all__ = ["RECORD", "check_request", "write_predictions"]

SCHEMA = 1
RECORD = "predictions.json"
ONE = ("picture", "mask", "video")  # what an image's or a video's row names
LISTED = ("images", "videos")
FILES = {**dict.fromkeys(ONE, optional(TEXT)), "crops": optional(list_of(TEXT))}
ROW = fields({**FILES, "frames": optional(list_of(fields(FILES)))})
LISTS = fields(dict.fromkeys(LISTED, optional(list_of(ROW))))


def check_request(
    sources: Sequence[Source], out_dir: Path, choices: Choices, force: bool = False
) -> None:
    """Check the arguments of :func:`write_predictions` before anything slow is done or written.

    Raises:
        UserError: If a number is out of its range, ``out_dir`` is a file, or a picture would
            overwrite an input image.
        RefusedError: If there are earlier predictions and ``force`` is not given.
    """
    check_count(choices.batch_size, "--batch-size")
    check_count(choices.every, "--every")
    if not 0 <= choices.min_score <= 1:
        what = f"{choices.min_score} is not a score"
        raise UserError(what, "--min-score", "give a number from 0 to 1")
    if out_dir.exists() and not out_dir.is_dir():
        raise UserError("a file, not a folder", out_dir, "name another --out-dir")
    named = zip(sources, name_pictures(sources), strict=True)
    written = [out_dir / name for source, stem in named for name in files_for(source, stem)]
    inputs = {source.path.resolve() for source in sources}
    crops = (out_dir / CROPS).resolve()
    ours = {path.resolve() for path in written} | ({crops} if choices.save_crops else set())
    taken = [path for path in inputs if path in ours or not ours.isdisjoint(path.parents)]
    if taken:
        raise UserError("a picture would overwrite its image", taken[0], "name another --out-dir")
    existing = [path for path in (out_dir / RECORD, *written) if path.exists()]
    existing += sorted(crops.glob("*"))[:1] if choices.save_crops else []
    if existing and not force:
        mend = "name another --out-dir, or overwrite with --force"
        raise RefusedError("there are predictions already", existing[0], mend)


def write_predictions(
    predictor: Predictor,
    sources: Sequence[Source],
    out_dir: Path,
    choices: Choices,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Predict all images and videos and write the results; the record is written last.

    Before that, the record of an earlier call and the files that it lists are removed.  After
    Ctrl-C or SIGTERM the record says what was written until then.

    Args:
        predictor: The trained network.
        sources: The images and videos; unreadable ones are left out and listed in the record.
        out_dir: Folder for the results; it is created if missing.
        choices: What the user has chosen.
        facts: Further entries for the head of the record.

    Returns:
        The record without its rows, see docs/files.md.

    Raises:
        UserError: If the folder cannot be created, nothing can be read, or objects are to be cut
            out and the network is no detector.
        KeyboardInterrupt: After Ctrl-C, when the record is written.
        TerminatedError: After SIGTERM, likewise.
    """
    is_detector = task_named(predictor.task).result == "boxes"
    if choices.save_crops and not is_detector:
        raise UserError("only a detector finds objects to cut out", "--save-crops", "leave it out")
    _make_room(out_dir, {source.path.resolve() for source in sources})
    work, ended = Work(predictor, out_dir, choices), None
    try:
        work.do(sources)
    except (KeyboardInterrupt, TerminatedError) as signal:
        ended = signal
    if not (work.num_done or ended):
        path, why = next(iter(work.left_out.items()))
        raise UserError(f"none of {len(sources)} images can be used", path, why)
    head = {
        "schema": SCHEMA,
        "task": predictor.task,
        **(facts or {}),
        "classes": predictor.classes,
        **({"min_score": choices.min_score} if is_detector else {}),
        **work.counts(),
        "left_out": _with_reasons(work.left_out),
        **({"cut_short": _with_reasons(work.cut_short)} if work.cut_short else {}),
        **({"is_complete": False} if ended else {}),
    }
    write_record(out_dir / RECORD, head, **work.lists())
    if ended:
        raise type(ended)(f"{out_dir / RECORD} lists what was predicted until then")
    return head


def _with_reasons(files: Mapping[Path, str]) -> list[dict[str, Any]]:
    return [{"file": path, "why": why} for path, why in files.items()]


def _make_room(out_dir: Path, inputs: set[Path]) -> None:
    """Remove a record and then the files it lists: a removal cut short leaves no record."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise UserError(f"cannot create the folder ({why})", out_dir, "name another") from error
    record = out_dir / RECORD
    lists = read_json_or_none(record, LISTS) or {}
    record.unlink(missing_ok=True)
    for name in [name for rows in map(lists.get, LISTED) for name in _files_of(rows or [])]:
        path = (out_dir / name).resolve()
        # A record that somebody else wrote may name files elsewhere: those stay.
        is_ours = path.suffix in (".png", SUFFIX) and path.is_relative_to(out_dir.resolve())
        if is_ours and path not in inputs:
            path.unlink(missing_ok=True)


def _files_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield from (row[key] for key in ONE if row.get(key))
        yield from row.get("crops") or []
        yield from _files_of(row.get("frames") or [])
