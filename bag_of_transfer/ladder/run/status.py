"""Read from its folder how far each cell is; write the records of its start and its end."""

import itertools
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bag_of_transfer.classification.teacher_cache import CARD as CACHE_CARD
from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.errors import is_divergence
from bag_of_transfer.engine.fields import check
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.run_files import follow_pointer
from bag_of_transfer.ladder.fields import BEGUN_RULE, CELL_RULE
from bag_of_transfer.ladder.folder import (
    ANSWERS,
    BACKBONE,
    BEGUN,
    LAST_CHECKPOINT,
    PRETRAINING,
    RECORD,
    REPLACED,
    SCHEMA,
    Selection,
)
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.run.fingerprint import fingerprint
from bag_of_transfer.ladder.seal import digests, refuse_edited_cell, write_sealed

__all__ = [
    "Status",
    "begin",
    "clear",
    "end",
    "has_diverged",
    "has_result",
    "is_done",
    "keep",
    "keep_without_backbone",
    "put_aside",
    "reason_of",
    "survey",
    "with_weights",
]

RULES = {RECORD: CELL_RULE, BEGUN: BEGUN_RULE}
DONE, CHANGED, FAILED, CUT_OFF, MISSING = "done", "changed", "failed", "cut off", "missing"
DIVERGED = "diverged"


@dataclass(frozen=True)
class Status:
    """How far a cell is: done, diverged, changed, failed, cut off or missing, and why.

    One that diverged is not tried again until it changes: a run is a function of its recipe, and
    where it is not, trying until it works would choose the lucky runs.

    ``goes_on``: the cell was cut off or failed, and can continue from what it has saved.
    ``weights_gone``: the cell counts as missing, because it has a result but lacks the weights
    that other cells need.
    """

    word: str
    why: str = ""
    goes_on: bool = False
    weights_gone: bool = False

    @property
    def is_result(self) -> bool:
        """Whether nothing is left to do: the tables have a figure, or say that it diverged."""
        return self.word in (DONE, DIVERGED)


def survey(cells: Sequence[Cell], selection: Selection) -> dict[str, Status]:
    """Return how far every cell is, by key.

    A cell that was finished, diverged or was cut off counts as changed if its backbone has changed.

    Raises:
        RefusedError: If somebody edited a finished cell.
    """
    statuses: dict[str, Status] = {}
    for cell in cells:
        status = _alone(cell, fingerprint(cell, selection))
        stale = [need for need in cell.needs if statuses[need].word == CHANGED]
        if stale and status.word in (DONE, DIVERGED, CUT_OFF):
            status = Status(CHANGED, f"{stale[0]} changed")
        statuses[cell.key] = replace(status, goes_on=status.goes_on and not stale)
    return statuses


def with_weights(cells: Sequence[Cell], statuses: Mapping[str, Status]) -> dict[str, Status]:
    """Mark each finished cell as missing if its weights are gone and another cell needs them.

    Exported results have no weights.  New weights may differ from the old ones, so a cell that
    was begun with the old ones starts again.

    Args:
        cells: The cells of the plan, in its order.
        statuses: The result of :func:`survey`.
    """
    decided, settled = dict(statuses), (DONE, DIVERGED, CHANGED)
    for cell in reversed(cells):  # a student that is run again needs its teacher's weights
        users = [user for user in cells if cell.key in user.needs]
        unfinished = [user for user in users if decided[user.key].word not in settled]
        lacks = any(_lacks_weights(cell, user) for user in unfinished)
        if not lacks or decided[cell.key].word != DONE:
            continue
        if lost := _read(cell.folder / RECORD).get("lost"):  # the best of values that all diverged
            decided[cell.key] = Status(DIVERGED, lost)
        else:
            decided[cell.key] = Status(MISSING, "its weights are missing", weights_gone=True)
            for user in unfinished:
                decided[user.key] = replace(decided[user.key], goes_on=False)
    return decided


def _lacks_weights(cell: Cell, user: Cell) -> bool:
    """Return whether ``cell`` lacks what ``user`` needs; a student needs its checkpoint."""
    if user.task is None:
        return not follow_pointer(cell.folder / LAST_CHECKPOINT).is_file()
    return not (cell.folder / BACKBONE).is_file()


def _alone(cell: Cell, now: Mapping[str, str | None]) -> Status:
    record, begun = _read(cell.folder / RECORD), _read(cell.folder / BEGUN)
    if record:
        differing = _differing(record.get("fingerprint", {}), now)
        reason = record.get("reason") or ""
        if not _is_result(record):
            return Status(FAILED, reason, goes_on=not differing and _has_saved(cell))
        refuse_edited_cell(cell.folder, record)
        if record.get("kept_for"):
            differing = differing and _differing(record["kept_for"], now)
        if record.get("backbone_gone"):
            differing = [name for name in differing if name != "backbone"]
        if differing:
            return Status(CHANGED, f"{' and '.join(differing)} changed")
        return Status(DIVERGED, reason) if reason else Status(DONE)
    if begun and _has_saved(cell):
        differing = _differing(begun.get("fingerprint", {}), now)
        if differing:
            return Status(CHANGED, f"cut off, and {' and '.join(differing)} changed since")
        return Status(CUT_OFF, goes_on=True)
    return Status(MISSING)


def _has_saved(cell: Cell) -> bool:
    """Return whether a cell has a checkpoint, or stored answers of its teacher, to go on from."""
    saved = (LAST_CHECKPOINT, f"{ANSWERS}/{CACHE_CARD}")
    return any((cell.folder / name).exists() for name in saved)


def _read(path: Path) -> dict[str, Any]:
    """Read a record; a damaged one counts as missing, because the cell can be run again.

    Raises:
        UserError: If it is whole and has a field of a wrong type: somebody edited it.
    """
    record: dict[str, Any] = read_json_or_none(path) or {}
    if record:
        check(record, RULES[path.name], path, "put the run's own file back, or remove it")
    return record


def _differing(old: Mapping[str, str | None], new: Mapping[str, str | None]) -> list[str]:
    return [name for name in new if old.get(name) != new[name]]


def begin(cell: Cell, selection: Selection, resume: bool) -> None:
    """Record what a cell starts from: a later call continues it only if that is unchanged."""
    (cell.folder / RECORD).unlink(missing_ok=True)
    if not resume:
        started = _now()
        write_json(
            cell.folder / BEGUN,
            {"fingerprint": fingerprint(cell, selection), "started": started},
        )


def end(
    cell: Cell,
    commands: Sequence[Sequence[str]],
    seconds: float,
    *,
    train: Mapping[str, Any] | None = None,
    failed: str = "",
    lost: str = "",
) -> None:
    """Write ``cell.json``, a cell's last file.

    Args:
        cell: The cell.
        commands: Its commands, as words.
        seconds: The time that it took.
        train: The training's speeds.
        failed: The reason of a failure; "" for none.
        lost: Of a run of a search: where its loss was lost, or why a tool refused a value that the
            search added.  It is done, with the worst score.
    """
    begun = _read(cell.folder / BEGUN)
    record = {
        "schema": SCHEMA,
        "rung": cell.rung.name,
        "task": cell.task.name if cell.task else PRETRAINING,
        "kind": cell.kind,
        "seed": cell.seed,
        "backbone_seed": cell.backbone_seed,
        "status": FAILED if failed else DONE,
        "reason": failed or None,
        **({"lost": lost} if lost else {}),
        "commands": [list(words) for words in commands],
        "fingerprint": begun.get("fingerprint", {}),
        "files": {} if failed else digests(cell.folder),
        "seconds": round(seconds, 2),
        "train": dict(train or {}),
        "started": begun.get("started"),
        "finished": _now(),
    }
    write_sealed(cell.folder / RECORD, record)


def is_done(folder: Path) -> bool:
    """Return whether a cell's folder has a figure, which may be a kept one of an older config."""
    return _read(folder / RECORD).get("status") == DONE


def has_result(folder: Path) -> bool:
    """Return whether a cell's folder has a figure, or says that the run diverged."""
    return _is_result(_read(folder / RECORD))


def has_diverged(folder: Path) -> bool:
    """Return whether a cell's folder says that the run's loss or weights were no numbers."""
    record = _read(folder / RECORD)
    return _is_result(record) and record["status"] == FAILED


def _is_result(record: Mapping[str, Any]) -> bool:
    diverged = record.get("status") == FAILED and is_divergence(record.get("reason") or "")
    return diverged or record.get("status") == DONE


def keep(cell: Cell, selection: Selection, why: str) -> None:
    """Let a changed cell keep its result until something changes again; tables get a footnote."""
    _note(cell, f"kept although {why}", kept_for=fingerprint(cell, selection))


def keep_without_backbone(cell: Cell) -> None:
    """Keep a finished cell although its backbone or teacher, whose weights are gone, is run again.

    The new weights may differ from those that it was made with; tables get a footnote.
    """
    how, what = ("fine-tuned", "backbone") if cell.task else ("distilled", "teacher")
    _note(cell, f"{how} from an earlier run of its {what}", backbone_gone=True)


def _note(cell: Cell, note: str, **more: Any) -> None:
    record = _read(cell.folder / RECORD)
    notes = dict.fromkeys([*record.get("notes", []), note])  # each once, however often it is kept
    write_sealed(cell.folder / RECORD, {**record, "notes": list(notes), **more})


def reason_of(folder: Path) -> str:
    """Return why a cell failed or diverged."""
    record = _read(folder / RECORD)
    return str(record.get("reason") or record.get("lost") or "see above")


def put_aside(cell: Cell) -> None:
    """Move a cell that will be run again to ``replaced/``, beside earlier results."""
    if cell.folder.exists():
        first = cell.root / REPLACED / cell.key
        later = (first.with_name(f"{first.name}-{number}") for number in itertools.count(2))
        aside = next(path for path in itertools.chain([first], later) if not path.exists())
        aside.parent.mkdir(parents=True, exist_ok=True)
        os.replace(cell.folder, aside)


def clear(cell: Cell) -> None:
    """Clear the folder of a cell that starts again; a result is put aside, never removed.

    The folder is renamed before it is removed, so that a killed process leaves no partial cell.
    """
    if has_result(cell.folder):
        put_aside(cell)
    elif cell.folder.exists():
        removed = cell.root / ".removed" / uuid.uuid4().hex
        removed.parent.mkdir(exist_ok=True)
        os.replace(cell.folder, removed)
        shutil.rmtree(removed, ignore_errors=True)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
