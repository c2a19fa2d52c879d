"""Which tricks were really on: a row per rung, and how each trick was found out."""

from dataclasses import dataclass, replace
from typing import Any

from bag_of_transfer.ladder.folder import PRETRAINING
from bag_of_transfer.ladder.report.cell_files import read_tricks
from bag_of_transfer.ladder.report.page_data import as_text
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.pages.table import Entry, Table

__all__ = ["trick_tables"]

DIFFERS = "differs between seeds"


@dataclass(frozen=True)
class _Trick:
    """A trick in a rung's pretraining, as in the first seed; ``mixed`` if the seeds disagree."""

    on: bool
    value: Any
    evidence: str
    mixed: bool = False

    @property
    def state(self) -> str:
        """Whether it was on."""
        return DIFFERS if self.mixed else "on" if self.on else "off"

    @property
    def name(self) -> str:
        """Its value, if that is a word."""
        return self.value if self.on and isinstance(self.value, str) else ""

    @property
    def settings(self) -> str:
        """Whether it was on, with its whole value."""
        value = as_text(self.value) if self.on else ""
        return f"{self.state}: {value}" if value else self.state


OfRungs = list[tuple[str, dict[str, _Trick]]]  # by the rungs' labels


def trick_tables(ladder: LadderResults) -> list[Table]:
    """Return two tables, none without a ``tricks.json``.

    The first has a row per rung and a column per trick.  The second has each trick's settings and
    evidence, with the rungs in which they are the same.
    """
    pairs = [(rung.label, _tricks_of(ladder, name)) for name, rung in ladder.rungs.items()]
    of_rungs = [(label, tricks) for label, tricks in pairs if tricks]
    names = list(dict.fromkeys(name for _, tricks in of_rungs for name in tricks))
    return [_states(of_rungs, names), _evidence(of_rungs, names)] if names else []


def _tricks_of(ladder: LadderResults, rung: str) -> dict[str, _Trick]:
    by_name: dict[str, _Trick] = {}
    for cell in ladder.cells_of(rung, PRETRAINING):
        for name, entry in read_tricks(cell).items():
            on = bool(entry.get("on"))
            trick = _Trick(on, entry.get("value"), as_text(entry.get("evidence")))
            first = by_name.setdefault(name, trick)
            by_name[name] = replace(first, mixed=first.mixed or first.on != on)
    return by_name


def _states(of_rungs: OfRungs, names: list[str]) -> Table:
    rows = []
    for number, (label, tricks) in enumerate(of_rungs):
        found = [tricks.get(name) for name in names]
        entries = [Entry(t.state, t.state, t.name) if t else Entry("not recorded") for t in found]
        rows.append((Entry(label, number), *entries))
    columns = ("rung", *(name.replace("_", " ") for name in names))
    return Table("Tricks in each rung's pretraining", columns, tuple(rows))


def _evidence(of_rungs: OfRungs, names: list[str]) -> Table:
    alike: dict[tuple[str, str, str], list[str]] = {}
    for name in names:
        for label, tricks in of_rungs:
            if name in tricks:
                key = (name.replace("_", " "), tricks[name].settings, tricks[name].evidence)
                alike.setdefault(key, []).append(label)
    rows = [
        (
            Entry(name, number),
            Entry(settings, settings),
            Entry(evidence, evidence),
            Entry(", ".join(labels), len(labels)),
        )
        for number, ((name, settings, evidence), labels) in enumerate(alike.items())
    ]
    columns = ("trick", "settings", "evidence", "rungs")
    return Table("How each trick was found out", columns, tuple(rows))
