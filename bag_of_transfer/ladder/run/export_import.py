"""Pack and unpack finished cells, without weights, so that machines can share a ladder."""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from bag_of_transfer.engine.atomic import is_leftover_name, replacing
from bag_of_transfer.engine.bounded_stream import BoundedStream, members_of
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.run_files import MANIFEST
from bag_of_transfer.ladder.fields import PLAN_RULE
from bag_of_transfer.ladder.folder import (
    ANSWERS,
    PLAN,
    PREDICTIONS,
    PRETRAINING,
    TRUTH,
    TUNING,
    names_in,
    records,
)
from bag_of_transfer.ladder.plan.plan_file import identity, read_plan, with_seeds
from bag_of_transfer.ladder.run.status import has_result
from bag_of_transfer.ladder.seal import read_cell, write_sealed

__all__ = ["MAX_BYTES", "export_cells", "import_cells"]

AGAIN = "export it again: python tools/ladder.py CONFIG --export FILE"
# The small files of a cell with pictures take about a megabyte, see docs/ladder.md.
MAX_BYTES = 4 << 30
MAX_FILES = 1_000_000
MEND_LARGE = "if you trust it, allow more by --import-limit GB, or import it in parts"
WEIGHTS = {".pth", ".safetensors"}
LEFT_OUT = {".dry_run", ANSWERS, PREDICTIONS}
# Python 3.10 has this filter since 3.10.12; ``_refuse_foreign`` checks the members in any case.
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def export_cells(root: Path, out: Path) -> list[str]:
    """Pack all cells of a ladder that are finished or diverged, and its plan.

    Cells of rungs and tasks that the plan no longer has stay out: no ladder could import them.

    Args:
        root: The ladder's folder.
        out: A ``.tar.gz`` file; a failure leaves no part of it.

    Returns:
        The cells' keys.

    Raises:
        UserError: If there is no such cell.
        RefusedError: If ``out`` exists, or a cell was edited.
    """
    if out.exists():
        raise RefusedError("the file exists", out, "name another one, or remove it")
    done = (record.parent for record in records(root) if has_result(record.parent))
    keys, plan = [folder.relative_to(root).as_posix() for folder in done], read_plan(root)
    if plan:
        known = _described(plan).keys()
        keys = [key for key in keys if _named(key) <= known]
    if not keys:
        raise UserError("no finished cell", root, "run the ladder first")
    for key in keys:
        read_cell(root / key, AGAIN)
    with replacing(out) as aside, tarfile.open(aside, "w:gz") as archive:
        for path in _files(root, keys):
            archive.add(path, path.relative_to(root).as_posix(), recursive=False)
    return keys


def _files(root: Path, keys: list[str]) -> list[Path]:
    folders = [root / key for key in keys] + [root / TRUTH]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    plan = root / PLAN
    return [plan] * plan.is_file() + [
        path
        for path in files
        if not LEFT_OUT & set(path.relative_to(root).parts) and not _stays(path.name)
    ]


def _stays(name: str) -> bool:
    """Return whether a file is of weights, or of a process that was killed."""
    return Path(name.removesuffix(MANIFEST)).suffix in WEIGHTS or is_leftover_name(name)


def import_cells(root: Path, file: Path, max_bytes: int = MAX_BYTES) -> tuple[list[str], list[str]]:
    """Unpack the cells that another machine finished; cells that are finished here stay.

    If the folder has no plan yet, it gets the archive's plan; else the archive's seeds are added
    to its plan.

    Args:
        root: The ladder's folder.
        file: An archive of :func:`export_cells`.
        max_bytes: How much it may unpack to.

    Returns:
        Keys of the cells that were unpacked, and of those that were finished here already.

    Raises:
        UserError: If the file is missing, damaged, holds anything but a ladder's cells, or holds
            cells that were edited or are of other rungs or tasks than this ladder's, or more.
            Then nothing is unpacked.
    """
    aside = root / ".import"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        _unpack(file, aside, max_bytes)
        keys = [record.parent.relative_to(aside).as_posix() for record in records(aside)]
        plan = _united_plan(root, aside, keys, file)
        for key in keys:
            _refuse_edited(aside, key, file)
        came = [key for key in keys if not has_result(root / key)]
        for key in came:
            shutil.rmtree(root / key, ignore_errors=True)
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (aside / key).replace(root / key)
        if (aside / TRUTH).is_dir():
            shutil.copytree(aside / TRUTH, root / TRUTH, dirs_exist_ok=True)
        write_sealed(root / PLAN, plan)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return came, [key for key in keys if key not in came]


def _unpack(file: Path, aside: Path, max_bytes: int) -> None:
    try:
        with gzip.open(file) as stream:
            bounded: Any = BoundedStream(cast(IO[bytes], stream), file, max_bytes, MEND_LARGE)
            with tarfile.open(fileobj=bounded, mode="r:") as archive:
                _refuse_foreign(archive, file)
                archive.extractall(aside, **SAFELY)
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"the file is not an archive of cells ({reason})", file, AGAIN) from error


def _refuse_edited(aside: Path, key: str, file: Path) -> None:
    try:
        read_cell(aside / key, AGAIN)
    except UserError as error:
        raise UserError(error.what, f"{file}: {key}/{Path(error.where).name}", AGAIN) from error


def _united_plan(root: Path, aside: Path, keys: list[str], file: Path) -> dict[str, Any]:
    """Return this ladder's plan with the archive's seeds; the archive's plan if there is none."""
    if not (aside / PLAN).is_file():
        what = f"the file is not an archive of cells (no {PLAN} in it)"
        raise UserError(what, file, "give a ladder's export")
    try:
        theirs: dict[str, Any] = read_json(aside / PLAN, AGAIN, PLAN_RULE)
    except UserError as error:
        raise UserError(error.what, f"{file}: {PLAN}", AGAIN) from error
    ours = read_plan(root) or theirs
    known, other = _described(ours), _described(theirs)
    for key in keys:
        for named in sorted(_named(key)):
            if named not in known or known[named] != other.get(named, known[named]):
                what, name = named
                known_as = "is another one in" if named in known else "is not in"
                mend = "import into a folder of the same ladder config, --work-dir DIR"
                raise UserError(f"{what} {name!r} {known_as} this ladder", f"{file}: {key}", mend)
    own, others = ours.get("amp"), theirs.get("amp")
    if own and others and own != others:
        print(f"precision: {others} in {file}, {own} in this ladder: tables have a footnote on it")
    return with_seeds(ours, theirs["seeds"])


def _named(key: str) -> set[tuple[str, str]]:
    return set(zip(("rung", "task"), names_in(key), strict=True))


def _described(plan: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return what stands for each rung and task of a plan."""
    rungs = {**(plan.get("teachers") or {}), **plan["rungs"]}
    by_kind = {"rung": rungs, "task": plan["tasks"]}
    described = {
        (kind, name): identity(entry)
        for kind, entries in by_kind.items()
        for name, entry in entries.items()
    }
    return {("task", PRETRAINING): (), **described}


def _refuse_foreign(archive: tarfile.TarFile, file: Path) -> None:
    for number, member in enumerate(members_of(archive)):
        if number == MAX_FILES:
            raise UserError(f"the archive holds more than {MAX_FILES:,} files", file, MEND_LARGE)
        parts = PurePosixPath(member.name).parts
        first = parts[0] if parts else ""
        is_known = parts == (PLAN,) or first in (TRUTH, TUNING) or first.startswith("seed")
        is_inside = not PurePosixPath(member.name).is_absolute() and ".." not in parts
        if not (member.isfile() and is_known and is_inside) or _stays(parts[-1]):
            what = f"the archive holds {member.name!r}, which does not belong to a ladder's cells"
            raise UserError(what, file, "give a ladder's export")
