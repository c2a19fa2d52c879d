"""Copy a ladder's results without weights and pictures: small enough for a repository."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from bag_of_transfer.engine.atomic import json_text, write_text
from bag_of_transfer.engine.errors import RefusedError
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.ladder.folder import (
    CARD,
    CURVE,
    FLAT_CONFIG,
    METRICS,
    PLAN,
    PRETRAINING,
    RECORD,
    TRICKS,
    TUNING,
    names_in,
    records,
)
from bag_of_transfer.ladder.report.cell_files import read_settings
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.ladder.seal import digests, read_cell, write_sealed

__all__ = ["publish", "without_places"]

# Files that are copied from every cell of a search (with the curve if the best epoch counts), from
# every other cell, and from the first finished cell of a rung and a task.
TRIED = (RECORD, METRICS, CARD)
EVERY = (*TRIED, CURVE)
FIRST = (TRICKS, FLAT_CONFIG)
# A path, or an override whose value is one.
ABSOLUTE = re.compile(r"""(['"](?:[\w.]+=)?)(/[^'"\n]+)(?=['"])""")
REASONS = ("reason", "lost")  # texts of a record, in which files may be named
FOLDERS = re.compile(r"(?<![\w.~:/])/(?:[^\s/,:]+/)+")
EVIDENCE = (CARD, TRICKS)  # files with sentences, in which files may be named, too


def publish(folder: Path, out: Path) -> int:
    """Copy the files that tables and plots need, without pictures and per-image files.

    In the copy ``...`` replaces the part that all absolute paths have in common, and the folders of
    files that sentences name (the reason of a failure, a trick's evidence), because they are this
    machine's; the JSON of a cell has no spaces.  A report of the copy lacks the intervals over
    images, which need the per-image files.  As the cards of all backbones are there, a ladder can
    go on in the copy: its finished cells are known as such.  Cells of rungs and tasks that the plan
    no longer has stay out.

    Args:
        folder: The ladder's folder.
        out: An empty folder, or one that does not exist yet.

    Returns:
        Number of bytes in ``out``.

    Raises:
        UserError: If ``folder`` cannot be read; see ``results.read_results``.
        RefusedError: If ``out`` is not empty, or a cell was edited.
    """
    ladder = read_results(folder)
    cells = list(_of_plan(ladder))
    for cell in cells:
        read_cell(cell, "remove the cell's folder, or run the cell again")
    done = {cell.folder for cell in ladder.cells_of()}
    tried = (*TRIED, CURVE) if ladder.selection == "val" else TRIED
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RefusedError("the folder is not empty", out, "name another folder, or empty it")
    out.mkdir(parents=True, exist_ok=True)
    plan = json_text(read_json(folder / PLAN, ""))
    write_sealed(out / PLAN, json.loads(without_places(plan)))
    seen: set[tuple[str, ...]] = set()
    varied = _with_varied_tricks(done)
    for cell in cells:
        if cell.relative_to(folder).parts[0] == TUNING:
            _copy(cell, out / cell.relative_to(folder), tried)
            continue
        is_first = cell in done and cell.parts[-2:] not in seen
        tricks = (TRICKS,) * (cell.parts[-2:] in varied)
        _copy(cell, out / cell.relative_to(folder), EVERY + (FIRST if is_first else tricks))
        if is_first:
            seen.add(cell.parts[-2:])
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def _of_plan(ladder: LadderResults) -> Iterator[Path]:
    """Yield the folders of the recorded cells whose rung and task the plan has."""
    rungs, tasks = {*ladder.rungs, *ladder.teachers}, {PRETRAINING, *ladder.tasks}
    for record in records(ladder.folder):
        rung, task = names_in(record.parent.relative_to(ladder.folder).as_posix())
        if rung in rungs and task in tasks:
            yield record.parent


def _with_varied_tricks(cells: Iterable[Path]) -> set[tuple[str, ...]]:
    """Return each rung and task of which the seeds' ``tricks.json`` are not all the same."""
    first: dict[tuple[str, ...], str] = {}
    texts = ((cell.parts[-2:], _text(cell / TRICKS)) for cell in cells)
    return {run for run, text in texts if text and text != first.setdefault(run, text)}


def _copy(cell: Path, target: Path, names: tuple[str, ...]) -> None:
    target.mkdir(parents=True)
    texts = {name: _text(cell / name) for name in names if name != RECORD}
    if FLAT_CONFIG in names:
        settings = read_settings(cell)
        texts[FLAT_CONFIG] = json.dumps(settings) if settings else ""
    for name, text in texts.items():
        if text:
            text = without_places(text)
            text = FOLDERS.sub(".../", text) if name in EVIDENCE else text
            write_text(target / name, text if name == CURVE else _on_one_line(text))
    record = json.loads(without_places(_text(cell / RECORD)))
    record |= {key: FOLDERS.sub(".../", record[key]) for key in REASONS if record.get(key)}
    files = digests(target, texts) if record.get("status") == "done" else {}
    write_sealed(target / RECORD, {**record, "files": files}, compact=True)


def _on_one_line(text: str) -> str:
    """Return JSON without spaces; a damaged file as it is: the copy's report names it, too."""
    try:
        return json_text(json.loads(text), compact=True)
    except ValueError:
        return text


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def without_places(text: str) -> str:
    """Return a text with the common part of its quoted absolute paths replaced by ``...``.

    ``'/home/me/data/voc'`` and ``'/home/me/data/coco/val'`` become ``'.../voc'`` and
    ``'.../coco/val'``.
    """
    folders = {PurePosixPath(path).parent for _, path in ABSOLUTE.findall(text)}
    if not folders:
        return text
    place = os.path.commonpath(folders).rstrip("/")
    return ABSOLUTE.sub(lambda match: f"{match[1]}...{match[2][len(place) :]}", text)
