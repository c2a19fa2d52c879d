"""The other parts of the report page, as plain values for the templates.

Config differences, cards and pictures; all are read from the cells' folders.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bag_of_transfer.ladder.folder import PICTURES, PRETRAINING, TRUTH
from bag_of_transfer.ladder.report.cell_files import (
    changed_settings,
    read_card,
    read_settings,
)
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.steps import first_pair, neighbours
from bag_of_transfer.pages.pictures import picture_uri, read_picture

__all__ = [
    "MAX_PICTURES",
    "PICTURE_PX",
    "ConfigChange",
    "Gallery",
    "as_text",
    "cards",
    "config_changes",
    "data_uri",
    "galleries",
]

# They keep the page below about 10 MB: 2 tasks x 9 columns x 8 pictures of about 20 kB.
MAX_PICTURES = 8
PICTURE_PX = 360
NOT_SHOWN = ("schema", "sha256", "seed")  # entries of a card; hashes are shown for every seed


@dataclass(frozen=True)
class ConfigChange:
    """Keys that differ between two rungs' configs; None for a key that a config lacks."""

    before: str
    after: str
    run: str  # pretraining, or the task's name
    keys: list[tuple[str, str | None, str | None]]


@dataclass(frozen=True)
class Gallery:
    """The predictions of every rung for the same test images: data URIs by image and label."""

    task: str
    seed: int
    rungs: list[str]
    rows: list[tuple[str, str | None, dict[str, str]]]  # image, ground truth, predictions
    num_left_out: int


def config_changes(ladder: LadderResults) -> list[ConfigChange]:
    """Compare the configs of each rung and the one that it is compared with, run by run."""
    changes = []
    for before, after in neighbours(ladder):
        for run in (PRETRAINING, *ladder.tasks):
            pair = first_pair(ladder, before, after, run)
            keys = changed_settings(*(read_settings(cell.folder) for cell in pair)) if pair else []
            if keys:
                labels = ladder.rungs[before].label, ladder.rungs[after].label
                changes.append(ConfigChange(*labels, run, keys))
    return changes


def cards(ladder: LadderResults) -> list[tuple[str, list[tuple[str, str]], list[tuple[int, str]]]]:
    """Return (rung label, the first card's entries, (seed, sha256) of every card) per rung."""
    rows = []
    for name, rung in ladder.rungs.items():
        read = [(cell.seed, read_card(cell)) for cell in ladder.cells_of(name, PRETRAINING)]
        read = [(seed, card) for seed, card in read if card]
        if read:
            entries = [(k, _on_card(k, v)) for k, v in read[0][1].items() if k not in NOT_SHOWN]
            hashes = [(seed, str(card.get("sha256"))) for seed, card in read]
            rows.append((rung.label, entries, hashes))
    return rows


def _on_card(key: str, value: Any) -> str:
    """Return an entry as text; of the tricks only the names of those that were on."""
    if key == "tricks" and isinstance(value, dict):
        value = [name for name, each in value.items() if isinstance(each, dict) and each.get("on")]
    return as_text(value)


def as_text(value: Any) -> str:
    """Return a value of a record in one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {as_text(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(as_text, value))
    return "" if value is None else str(value)


def galleries(ladder: LadderResults) -> list[Gallery]:
    """Return each task's pictures, of the seed that most rungs have (the first of several)."""
    all_tasks = (_gallery(ladder, task) for task in ladder.tasks)
    return [gallery for gallery in all_tasks if gallery is not None]


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
    uris = {rung: data_uri(folder / name) for rung, folder in folders.items()}
    predictions = {rung: uri for rung, uri in uris.items() if uri is not None}
    return Path(name).stem, data_uri(truth / name), predictions


def data_uri(path: Path) -> str | None:
    """Return a picture as a JPEG data URI; None if it cannot be read."""
    picture = read_picture(path)
    return None if picture is None else picture_uri(picture, PICTURE_PX)
