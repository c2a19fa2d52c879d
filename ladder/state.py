"""How far each cell is, read from its folder; and what is written when it begins and ends."""

import fcntl
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from engine.atomic import write_json
from engine.errors import RefusedError
from engine.records import sha256_of
from ladder.fingerprint import fingerprint
from ladder.plan import BACKBONE, LAST, Cell, Command
from ladder.spec import PRETRAINING

__all__ = [
    "Status",
    "begin",
    "end",
    "is_done",
    "keep",
    "locked",
    "put_aside",
    "reason_of",
    "survey",
]

SCHEMA = 1
RECORD, BEGUN = "cell.json", "begun.json"
DONE, CHANGED, FAILED, CUT_OFF, MISSING = "done", "changed", "failed", "cut off", "missing"
# What the report reads: a cell in which one of them was edited is no result of a run.
KEPT = ("metrics.json", "curve.jsonl", "per_image.npz", "resolved_config.py")


@dataclass(frozen=True)
class Status:
    """How far a cell is: done, changed, failed, cut off or missing, and why."""

    word: str
    why: str = ""


def survey(cells: Sequence[Cell], selection: str) -> dict[str, Status]:
    """Tell how far every cell is, by key.

    A finished cell whose backbone has to be made anew counts as changed.

    Raises:
        RefusedError: If somebody edited a finished cell.
    """
    found: dict[str, Status] = {}
    wanted = {need for cell in cells for need in cell.needs}
    for cell in cells:
        status = _alone(cell, fingerprint(cell, selection))
        stale = [need for need in cell.needs if found[need].word == CHANGED]
        if status.word == DONE and stale:
            status = Status(CHANGED, f"{stale[0]} changed")
        found[cell.key] = status
    for cell in cells:  # results travel without weights
        lacks = cell.task is None and not (cell.folder / BACKBONE).is_file()
        if found[cell.key].word == DONE and lacks and cell.key in wanted:
            needed = any(
                cell.key in one.needs and found[one.key].word not in (DONE, CHANGED)
                for one in cells
            )
            if needed:
                found[cell.key] = Status(MISSING, "its weights are not here")
    return found


def _alone(cell: Cell, now: Mapping[str, str | None]) -> Status:
    record, begun = _read(cell.folder / RECORD), _read(cell.folder / BEGUN)
    if record:
        differing = _differing(record.get("fingerprint", {}), now)
        if record.get("status") == FAILED:
            return Status(FAILED, record.get("reason") or "")
        if differing and record.get("kept_for") != dict(now):
            return Status(CHANGED, f"{' and '.join(differing)} changed")
        _refuse_edited(cell, record)
        return Status(DONE)
    if begun and (cell.folder / LAST).exists():
        differing = _differing(begun.get("fingerprint", {}), now)
        if differing:
            return Status(CHANGED, f"cut off, and {' and '.join(differing)} changed since")
        return Status(CUT_OFF)
    return Status(MISSING)


def _read(path: Path) -> dict[str, Any]:
    """Read a record of ours; a damaged one counts as none, as the run can be made again."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _differing(old: Mapping[str, str | None], new: Mapping[str, str | None]) -> list[str]:
    return [name for name in new if old.get(name) != new[name]]


def _refuse_edited(cell: Cell, record: Mapping[str, Any]) -> None:
    for name, digest in record.get("files", {}).items():
        path = cell.folder / name
        if not path.is_file() or sha256_of(path) != digest:
            raise RefusedError(
                f"{name} is not what the run wrote" if path.is_file() else f"{name} is gone",
                path,
                "put it back, or remove the cell's folder: it is then run again",
            )


def begin(cell: Cell, selection: str, resume: bool) -> None:
    """Note what a cell starts from, so that a later call knows whether it may go on with it."""
    (cell.folder / RECORD).unlink(missing_ok=True)
    if not resume:
        started = _now()
        write_json(
            cell.folder / BEGUN,
            {"fingerprint": fingerprint(cell, selection), "started": started},
        )


def end(
    cell: Cell,
    commands: Sequence[Command],
    seconds: float,
    *,
    train: Mapping[str, Any] | None = None,
    failed: str = "",
) -> None:
    """Write ``cell.json``, the last file of a cell: it is done, or failed for a reason."""
    begun = _read(cell.folder / BEGUN)
    kept = {name: cell.folder / name for name in KEPT}
    files = {name: sha256_of(path) for name, path in kept.items() if path.is_file()}
    record = {
        "schema": SCHEMA,
        "rung": cell.rung.name,
        "task": cell.task.name if cell.task else PRETRAINING,
        "kind": cell.kind,
        "seed": cell.seed,
        "backbone_seed": cell.backbone_seed,
        "status": FAILED if failed else DONE,
        "reason": failed or None,
        "commands": [list(command) for command in commands],
        "fingerprint": begun.get("fingerprint", {}),
        "files": {} if failed else files,
        "seconds": round(seconds, 2),
        "train": dict(train or {}),
        "started": begun.get("started"),
        "finished": _now(),
    }
    write_json(cell.folder / RECORD, record)


def is_done(cell: Cell) -> bool:
    """Tell whether a cell has a result, be it of an older config that was kept."""
    return _read(cell.folder / RECORD).get("status") == DONE


def keep(cell: Cell, selection: str, why: str) -> None:
    """Let a changed cell count as done until something changes again; tables get a footnote."""
    record = _read(cell.folder / RECORD)
    note = f"{cell.key} was kept although {why}"
    record["kept_for"] = fingerprint(cell, selection)
    record["notes"] = [*record.get("notes", []), note]
    write_json(cell.folder / RECORD, record)


def reason_of(folder: Path) -> str:
    """Why a cell failed."""
    return str(_read(folder / RECORD).get("reason") or "see above")


def put_aside(cell: Cell) -> None:
    """Move a cell that is to be run again to ``replaced/``, over one moved there before."""
    if cell.folder.exists():
        aside = cell.root / "replaced" / cell.key
        shutil.rmtree(aside, ignore_errors=True)
        aside.parent.mkdir(parents=True, exist_ok=True)
        os.replace(cell.folder, aside)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@contextmanager
def locked(path: Path, shared: bool = False) -> Iterator[Callable[[], None]]:
    """Keep a second ladder out of a folder; processes made inside hold the lock, too.

    Args:
        path: The lock's file; it stays.
        shared: Let others in that ask for a shared lock, as the tasks of a SLURM array do.

    Yields:
        A function that turns the lock into a shared one.

    Raises:
        RefusedError: If somebody else is at it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            who = file.read().strip() or "another process"
            mend = "wait until it ends, or name another --work-dir"
            raise RefusedError(f"{who} is at work here", path.parent, mend) from error
        if not shared:
            file.truncate(0)
            file.write(f"a ladder with process number {os.getpid()} on {platform.node()}")
            file.flush()
        yield partial(fcntl.flock, file, fcntl.LOCK_SH)
