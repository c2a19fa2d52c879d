"""Shell lines that repeat a ladder, or one cell of it, in a fresh folder."""

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePath

from bag_of_transfer.ladder.folder import BACKBONE, CARD, PRETRAINING, cell_key
from bag_of_transfer.ladder.report.results import CellResult, LadderResults

__all__ = ["commands", "fresh", "ladder_again"]


def fresh(ladder: LadderResults) -> str:
    """Name the folder that the lines write to: no run goes into one where a run lies already."""
    return f"work_dirs/{ladder.name}_again"


def ladder_again(ladder: LadderResults) -> str:
    """Give the line that repeats the whole ladder."""
    seeds = map(str, ladder.seeds)
    words = ("tools/ladder.py", ladder.config, "--work-dir", fresh(ladder), "--seeds", *seeds)
    return shlex.join(["python", *words])


def commands(ladder: LadderResults) -> list[tuple[str, list[tuple[CellResult, str]]]]:
    """Give, per rung, each recorded cell with the shell lines that repeat it alone.

    What it writes goes to the fresh folder; backbone and teacher are read where they lay.
    """
    found = []
    for name, rung in ladder.rungs.items():
        own = [cell for cell in ladder.cells if cell.rung == name and cell.record]
        lines = [(cell, "\n".join(_lines(cell, ladder))) for cell in own]
        found.append((rung.label, [(cell, text) for cell, text in lines if text]))
    return found


def _lines(cell: CellResult, ladder: LadderResults) -> Iterator[str]:
    key = cell_key(cell.rung, cell.task, cell.seed)
    own, rung = f"{fresh(ladder)}/{key}", ladder.rungs[cell.rung]
    if rung.kind == "file" and cell.task == PRETRAINING and rung.origin:
        yield shlex.join(["mkdir", "-p", own])
        source = PurePath(rung.origin)
        yield shlex.join(["cp", str(source), f"{own}/{BACKBONE}"])
        yield shlex.join(["cp", str(source.with_suffix(".json")), f"{own}/{CARD}"])
    recorded = re.compile(rf"^(.*/)?{re.escape(key)}(?=/|$)")
    for words in cell.record.get("commands") or ():
        yield shlex.join(["python", *(recorded.sub(lambda _: own, str(word)) for word in words)])
