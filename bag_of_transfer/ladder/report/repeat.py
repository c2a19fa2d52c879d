"""Shell commands that repeat a ladder, or one of its cells, in a new folder."""

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePath

from bag_of_transfer.ladder.folder import BACKBONE, CARD, PRETRAINING, cell_key
from bag_of_transfer.ladder.report.results import CellResult, LadderResults

__all__ = ["cell_commands", "ladder_command", "new_folder"]


def new_folder(ladder: LadderResults) -> str:
    """Return the folder that the commands write to: no run may write into another run's folder."""
    return f"work_dirs/{ladder.name}_again"


def ladder_command(ladder: LadderResults) -> str:
    """Return the command that repeats the whole ladder."""
    words = ["tools/ladder.py", ladder.config, "--work-dir", new_folder(ladder)]
    words += ["--amp", ladder.amp] if ladder.amp else []
    return shlex.join(["python", *words, "--seeds", *map(str, ladder.seeds)])


def cell_commands(ladder: LadderResults) -> list[tuple[str, list[tuple[CellResult, str]]]]:
    """Return, per rung, each recorded cell with the commands that repeat it alone.

    The commands write to the new folder, and read backbone and teacher from the ladder's folder.
    """
    rungs = []
    for name, rung in ladder.rungs.items():
        cells = [cell for cell in ladder.cells if cell.rung == name and cell.record]
        texts = [(cell, "\n".join(_lines(cell, ladder))) for cell in cells]
        rungs.append((rung.label, [(cell, text) for cell, text in texts if text]))
    return rungs


def _lines(cell: CellResult, ladder: LadderResults) -> Iterator[str]:
    key = cell_key(cell.rung, cell.task, cell.seed)
    folder, rung = f"{new_folder(ladder)}/{key}", ladder.rungs[cell.rung]
    if rung.kind == "file" and cell.task == PRETRAINING and rung.origin:
        yield shlex.join(["mkdir", "-p", folder])
        source = PurePath(rung.origin)
        yield shlex.join(["cp", str(source), f"{folder}/{BACKBONE}"])
        yield shlex.join(["cp", str(source.with_suffix(".json")), f"{folder}/{CARD}"])
    # A path, or an override whose value is one: of a pretraining, where its stored answers are.
    recorded = re.compile(rf"^((?:\w+\.)+\w+=)?(?:.*/)?{re.escape(key)}(?=/|$)")
    for words in cell.record.get("commands") or ():
        moved = (recorded.sub(lambda match: (match[1] or "") + folder, str(w)) for w in words)
        yield shlex.join(["python", *moved])
