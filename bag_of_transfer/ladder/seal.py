"""What a ladder wrote is sealed: its report, another machine and a later call notice an edit.

``ladder.json`` and every ``cell.json`` hold the SHA-256 of their other entries, ``cell.json`` those
of the cell's files, too.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.atomic import json_text, write_text
from bag_of_transfer.engine.errors import RefusedError
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.ladder.fields import CELL_RULE
from bag_of_transfer.ladder.folder import (
    CARD,
    CURVE,
    METRICS,
    PER_IMAGE,
    RECORD,
    RESOLVED_CONFIG,
    TRICKS,
)

__all__ = [
    "digests",
    "is_sealed",
    "read_cell",
    "refuse_broken_seal",
    "refuse_edited_cell",
    "write_sealed",
]

SEAL = "sha256"
# The report reads these; a cell in which one was edited is refused.
KEPT = (METRICS, CURVE, PER_IMAGE, RESOLVED_CONFIG, TRICKS, CARD)
MEND = "put it back, or remove the cell's folder to run the cell again"


def digests(folder: Path, names: Iterable[str] = KEPT) -> dict[str, str]:
    """Return the SHA-256 of those files of a cell that are there."""
    paths = {name: folder / name for name in names}
    return {name: sha256_of(path) for name, path in paths.items() if path.is_file()}


def write_sealed(path: Path, record: Mapping[str, Any], compact: bool = False) -> None:
    """Write a record as JSON, with its seal; ``compact`` as of :func:`json_text`."""
    plain = json.loads(json_text(record))
    write_text(path, json_text({**plain, SEAL: _seal_of(plain)}, compact))


def is_sealed(record: Mapping[str, Any]) -> bool:
    """Return whether a record has a seal; those of earlier versions have none."""
    return SEAL in record


def refuse_broken_seal(path: Path, record: Mapping[str, Any], mend: str) -> None:
    """Check the seal of a record, if it has one.

    Args:
        path: The file that the record was read from.
        record: The record.
        mend: What to do about an edited one, for the error.

    Raises:
        RefusedError: If the record was edited.
    """
    if is_sealed(record) and record[SEAL] != _seal_of(record):
        raise RefusedError(f"{path.name} is not what was written", path, mend)


def read_cell(folder: Path, mend: str) -> dict[str, Any]:
    """Read the record of a cell, and check that it is what its run wrote.

    Files of a record without a seal may be absent: earlier versions published such records
    without all of their files.

    Args:
        folder: The cell's folder.
        mend: How to mend a damaged record, for the error.

    Raises:
        UserError: If the record is missing or damaged; :class:`RefusedError` if it or one of its
            files was edited.
    """
    record: dict[str, Any] = read_json(folder / RECORD, mend, CELL_RULE)
    refuse_edited_cell(folder, record, may_lack=not is_sealed(record))
    return record


def refuse_edited_cell(folder: Path, record: Mapping[str, Any], may_lack: bool = False) -> None:
    """Check that a cell's record and the files that it names are what its run wrote.

    Args:
        folder: The cell's folder.
        record: Its record.
        may_lack: Files may be absent, as in results that an earlier version published.

    Raises:
        RefusedError: If one was edited, or is gone.
    """
    refuse_broken_seal(folder / RECORD, record, MEND)
    for name, digest in (record.get("files") or {}).items():
        path = folder / name
        if not path.is_file() and not may_lack:
            raise RefusedError(f"{name} is gone", path, MEND)
        if path.is_file() and sha256_of(path) != digest:
            raise RefusedError(f"{name} is not what the run wrote", path, MEND)


def _seal_of(record: Mapping[str, Any]) -> str:
    others = {key: value for key, value in record.items() if key != SEAL}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()
