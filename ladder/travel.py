"""Finished cells travel without weights, so that several machines can share one ladder."""

import json
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

from engine.atomic import written_aside
from engine.errors import RefusedError, UserError
from ladder.state import DONE, RECORD

__all__ = ["export_cells", "import_cells"]

WEIGHTS = {".pth", ".safetensors"}
LEFT_OUT = {".dry_run", "predictions"}
# Python 3.10 knows it from 3.10.12 on; members are checked anyway.
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def export_cells(root: Path, out: Path) -> list[str]:
    """Pack all finished cells of a ladder, and its plan.

    Args:
        root: The ladder's folder.
        out: A ``.tar.gz`` file; it is whole or not there.

    Returns:
        Keys of the cells.

    Raises:
        UserError: If there is no finished cell.
        RefusedError: If ``out`` exists.
    """
    if out.exists():
        raise RefusedError("the file exists", out, "name another one, or remove it")
    keys = [
        record.parent.relative_to(root).as_posix()
        for record in sorted(root.glob(f"seed*/*/*/{RECORD}"))
        if json.loads(record.read_text(encoding="utf-8")).get("status") == DONE
    ]
    if not keys:
        raise UserError("no finished cell", root, "run the ladder first")
    with written_aside(out) as aside, tarfile.open(aside, "w:gz") as archive:
        for path in _files(root, keys):
            archive.add(path, path.relative_to(root).as_posix(), recursive=False)
    return keys


def _files(root: Path, keys: list[str]) -> list[Path]:
    folders = [root / key for key in keys] + [root / "truth"]
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    plan = root / "ladder.json"
    return [plan] * plan.is_file() + [
        path
        for path in found
        if path.suffix not in WEIGHTS and not LEFT_OUT & set(path.relative_to(root).parts)
    ]


def import_cells(root: Path, file: Path) -> tuple[list[str], list[str]]:
    """Unpack what another machine finished; a cell that is here already stays as it is.

    Args:
        root: The ladder's folder.
        file: Of :func:`export_cells`.

    Returns:
        Keys of the cells that came in, and of those that were here.

    Raises:
        UserError: If the file is missing, damaged, or holds anything but a ladder's cells.
    """
    aside = root / ".import"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with tarfile.open(file) as archive:
            _refuse_foreign(archive, file)
            archive.extractall(aside, **SAFELY)
    except (OSError, tarfile.TarError, EOFError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        mend = "export it again: python tools/ladder.py CONFIG --export FILE"
        reason = str(error).partition("\n")[0]
        raise UserError(f"no archive of cells ({reason})", file, mend) from error
    came, stayed = [], []
    for record in sorted(aside.glob(f"seed*/*/*/{RECORD}")):
        key = record.parent.relative_to(aside)
        if (root / key / RECORD).exists():
            stayed.append(key.as_posix())
            continue
        shutil.rmtree(root / key, ignore_errors=True)
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        record.parent.replace(root / key)
        came.append(key.as_posix())
    if (aside / "truth").is_dir():
        shutil.copytree(aside / "truth", root / "truth", dirs_exist_ok=True)
    shutil.rmtree(aside)
    return came, stayed


def _refuse_foreign(archive: tarfile.TarFile, file: Path) -> None:
    for member in archive:
        parts = PurePosixPath(member.name).parts
        first = parts[0] if parts else ""
        own = parts == ("ladder.json",) or first == "truth" or first.startswith("seed")
        inside = not PurePosixPath(member.name).is_absolute() and ".." not in parts
        if not (member.isfile() and own and inside) or Path(member.name).suffix in WEIGHTS:
            mend = "give a ladder's export"
            raise UserError(f"{member.name!r} does not belong there", file, mend)
