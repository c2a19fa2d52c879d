"""What the report page shows beside tables and plots, as plain values for the templates.

Tricks, config differences, cards, pictures; all read from cell folders.
"""

import base64
import io
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from bag_of_transfer.ladder.folder import PICTURES, PRETRAINING, TRUTH
from bag_of_transfer.ladder.picture_file import read_picture
from bag_of_transfer.ladder.report.cell_files import (
    changed_settings,
    read_card,
    read_settings,
    read_tricks,
)
from bag_of_transfer.ladder.report.results import LadderResults

__all__ = [
    "MAX_PICTURES",
    "PICTURE_PX",
    "ConfigChange",
    "Gallery",
    "Trick",
    "cards",
    "config_changes",
    "data_uri",
    "galleries",
    "tricks",
]

# The page stays below about 10 MB: 2 tasks x 9 columns x 8 pictures of some 20 kB.
MAX_PICTURES = 8
PICTURE_PX = 360
JPEG_QUALITY = 82
NOT_SHOWN = ("schema", "sha256", "seed")  # of a card; hashes are shown for every seed


@dataclass(frozen=True)
class Trick:
    """A trick in a rung's pretraining: of the first seed; ``mixed`` if seeds disagree."""

    on: bool
    value: str
    evidence: str
    mixed: bool = False


@dataclass(frozen=True)
class ConfigChange:
    """Keys that differ between two rungs' configs; None for a key that one lacks."""

    before: str
    after: str
    run: str  # pretraining, or the task's name
    keys: list[tuple[str, str | None, str | None]]


@dataclass(frozen=True)
class Gallery:
    """The same test images as every rung sees them: data URIs by image and rung label."""

    task: str
    seed: int
    rungs: list[str]
    rows: list[tuple[str, str | None, dict[str, str]]]  # image, ground truth, predictions
    num_left_out: int


def tricks(ladder: LadderResults) -> tuple[list[str], list[tuple[str, list[Trick | None]]]]:
    """Give the labels of the rungs that have ``tricks.json``, and a row per trick."""
    read = {rung: _tricks_of(ladder, rung) for rung in ladder.rungs}
    there = {rung: found for rung, found in read.items() if found}
    names = list(dict.fromkeys(name for found in there.values() for name in found))
    labels = [ladder.rungs[rung].label for rung in there]
    return labels, [(name, [found.get(name) for found in there.values()]) for name in names]


def _tricks_of(ladder: LadderResults, rung: str) -> dict[str, Trick]:
    found: dict[str, Trick] = {}
    for cell in ladder.cells_of(rung, PRETRAINING):
        for name, entry in read_tricks(cell).items():
            on = bool(entry.get("on"))
            seen = Trick(on, _said(entry.get("value")), _said(entry.get("evidence")))
            first = found.setdefault(name, seen)
            found[name] = replace(first, mixed=first.mixed or first.on != on)
    return found


def config_changes(ladder: LadderResults) -> list[ConfigChange]:
    """Compare each rung with the next, pretraining and tasks, in the first seed both have."""
    found = []
    for before, after in pairwise(ladder.rungs):
        for run in (PRETRAINING, *ladder.tasks):
            pair = _first_pair(ladder, before, after, run)
            keys = changed_settings(*pair) if pair else []
            if keys:
                labels = ladder.rungs[before].label, ladder.rungs[after].label
                found.append(ConfigChange(*labels, run, keys))
    return found


def _first_pair(
    ladder: LadderResults, before: str, after: str, run: str
) -> tuple[dict[str, str], dict[str, str]] | None:
    theirs = {cell.seed: cell for cell in ladder.cells_of(after, run)}
    ours = [cell for cell in ladder.cells_of(before, run) if cell.seed in theirs]
    read = ((read_settings(cell.folder), read_settings(theirs[cell.seed].folder)) for cell in ours)
    return next((pair for pair in read if all(pair)), None)


def cards(ladder: LadderResults) -> list[tuple[str, list[tuple[str, str]], list[tuple[int, str]]]]:
    """Give (rung label, the first card's entries, (seed, sha256) of every card)."""
    found = []
    for name, rung in ladder.rungs.items():
        read = [(cell.seed, read_card(cell)) for cell in ladder.cells_of(name, PRETRAINING)]
        read = [(seed, card) for seed, card in read if card]
        if read:
            entries = [(k, _on_card(k, v)) for k, v in read[0][1].items() if k not in NOT_SHOWN]
            hashes = [(seed, str(card.get("sha256"))) for seed, card in read]
            found.append((rung.label, entries, hashes))
    return found


def _on_card(key: str, value: Any) -> str:
    """Of the tricks only which were on: what they were stands in a table of its own."""
    if key == "tricks" and isinstance(value, dict):
        value = [name for name, each in value.items() if isinstance(each, dict) and each.get("on")]
    return _said(value)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return "" if value is None else str(value)


def galleries(ladder: LadderResults) -> list[Gallery]:
    """Collect each task's pictures in the seed that most rungs have, the first of those."""
    found = (_gallery(ladder, task) for task in ladder.tasks)
    return [gallery for gallery in found if gallery is not None]


def _gallery(ladder: LadderResults, task: str) -> Gallery | None:
    cells = [cell for cell in ladder.cells_of(task=task) if (cell.folder / PICTURES).is_dir()]
    if not cells:
        return None
    seeds = Counter(cell.seed for cell in cells)
    seed = max(sorted(seeds), key=lambda each: seeds[each])
    folders = {ladder.rungs[c.rung].label: c.folder / PICTURES for c in cells if c.seed == seed}
    names = sorted({path.name for folder in folders.values() for path in folder.glob("*.png")})
    rows = [_row(ladder.folder / TRUTH / task, folders, name) for name in names[:MAX_PICTURES]]
    left_out = max(0, len(names) - MAX_PICTURES)
    return Gallery(task, seed, list(folders), rows, left_out) if rows else None


def _row(
    truth: Path, folders: dict[str, Path], name: str
) -> tuple[str, str | None, dict[str, str]]:
    read = {rung: data_uri(folder / name) for rung, folder in folders.items()}
    there = {rung: uri for rung, uri in read.items() if uri is not None}
    return Path(name).stem, data_uri(truth / name), there


def data_uri(path: Path) -> str | None:
    """Scale a picture down to ``PICTURE_PX`` and give it as a JPEG data URI.

    None for a picture that cannot be read.
    """
    small = read_picture(path)
    if small is None:
        return None
    small.thumbnail((PICTURE_PX, PICTURE_PX))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
