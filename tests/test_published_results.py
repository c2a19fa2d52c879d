"""docs/results: the figures there are small, and the tables in the docs are made from them."""

from pathlib import Path

import pytest

from bag_of_transfer.ladder.report.documents import table_file
from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes, not_done_notes
from bag_of_transfer.ladder.report.results import read_results
from bag_of_transfer.ladder.report.tables import NUMBERS, long_form

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = sorted(path.parent for path in (ROOT / "docs/results").glob("*/ladder.json"))


def test_some_results_are_published() -> None:
    assert PUBLISHED


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_tables_are_those_of_the_cells(folder: Path) -> None:
    ladder = read_results(folder)
    # Of a ladder whose seeds are still to run, the tables say "unmeasured".
    states = {(cell.status, cell.reason) for cell in ladder.cells if not cell.diverged}
    assert states <= {("done", None), ("missing", "not begun")}
    findings, top1 = find(ladder), find_top1(ladder)
    below = [*footnotes(ladder, findings, top1), *not_done_notes(ladder)]
    for kind, number in NUMBERS.items():
        made = table_file(ladder, findings, top1, kind, below)
        assert (folder / f"table{number}.md").read_text() == made
    assert (folder / "results.csv").read_text() == long_form(ladder)


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_figures_of_cells_stay_below_three_megabytes(folder: Path) -> None:
    tops = [top for top in folder.iterdir() if top.name.startswith(("seed", "tuning"))]
    cells = [path for top in tops for path in top.rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in cells) < 3e6
    assert {path.suffix for path in cells} == {".json", ".jsonl"}
