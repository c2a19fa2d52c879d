"""docs/results: the figures there are small, and the tables in the docs are made from them."""

from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pytest

from bag_of_transfer.ladder.report.costs import more_minutes
from bag_of_transfer.ladder.report.documents import table_file
from bag_of_transfer.ladder.report.findings import Finding, compare_top1, find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes, not_done_notes
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.ladder.report.steps import published_gain
from bag_of_transfer.ladder.report.tables import NUMBERS, long_form
from bag_of_transfer.ladder.statistics.over_seeds import Comparison, Spread, verdict

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


DOCS = ROOT / "docs/results.md"
METRICS = ("top1", "mAP_voc07", "pixAcc", "mIoU")


@pytest.fixture(scope="module")
def shown() -> LadderResults:
    return read_results(ROOT / "docs/results/small_tuned")


def rows_below(path: Path, header: str) -> dict[str, list[str]]:
    """Return the rows of the table with this header: the first entry, and the others."""
    _, *lines = path.read_text().partition(f"\n{header}\n")[2].splitlines()
    rows = [
        line.strip("|").split("|") for line in takewhile(lambda one: one.startswith("|"), lines)
    ]
    return {first.strip(): [entry.strip() for entry in others] for first, *others in rows}


def by_metric(ladder: LadderResults) -> dict[str, Finding]:
    findings = {finding.metric: finding for finding in find(ladder)}
    top1 = compare_top1(ladder, find_top1(ladder))
    return findings | ({"top1": top1} if top1 else {})


def spread(each: Spread) -> str:
    return "" if each.mean is None else f"{each.mean:.1f} +- {each.sd:.1f}"


def difference(each: Comparison | None) -> str:
    if each is None or each.mean is None or each.interval is None:
        return ""
    text = "{:+.1f} ({:+.1f} to {:+.1f})".format(each.mean, *each.interval)
    told = verdict(each)
    if told in ("better", "worse"):
        return f"**{text}**"
    return f"{text}, {told}" if told.startswith("equal") else text


def papers(ladder: LadderResults, rung: str, other: str) -> str:
    """Return the paper's differences in mAP and mIoU; "" for rungs that are the same row."""
    gains = (published_gain(ladder, metric, (rung, other)) for metric in ("mAP_voc07", "mIoU"))
    return ", ".join(f"{gain:+.1f}" for gain in gains if gain is not None)


def test_the_rows_of_readme_and_docs_are_the_published_cells(shown: LadderResults) -> None:
    found = by_metric(shown)
    values = {
        rung.label: [spread(found[metric].spreads[name]) for metric in METRICS]
        for name, rung in shown.rungs.items()
    }
    names = ("top-1", "mAP (VOC07)", "pixAcc", "mIoU")
    columns = " | ".join(f"{name} | paper" for name in names)
    rows = rows_below(DOCS, f"| rung | {columns} |")
    assert {label: row[::2] for label, row in rows.items()} == values
    published = {
        rung.label: [f"{rung.published[m]:.2f}" if m in rung.published else "" for m in METRICS]
        for rung in shown.rungs.values()
    }
    assert {label: row[1::2] for label, row in rows.items()} == published
    short = rows_below(ROOT / "README.md", "| backbone | top-1 | mAP (VOC07) | mIoU |")
    assert short == {label: [row[0], row[1], row[3]] for label, row in values.items()}


@pytest.mark.parametrize(
    ("header", "reference", "metrics"),
    [
        ("rung, less B-standard", "b_standard", ("top1", "mAP_voc07", "mIoU")),
        ("rung, less scratch, D", "scratch", ("mAP_voc07", "mIoU")),
    ],
)
def test_the_differences_of_the_docs_are_the_reports(
    shown: LadderResults, header: str, reference: str, metrics: tuple[str, ...]
) -> None:
    found = by_metric(replace(shown, reference=reference))
    (line,) = (one for one in DOCS.read_text().splitlines() if one.startswith(f"| {header} |"))
    has_paper = "paper" in line
    assert rows_below(DOCS, line) == {
        rung.label: [
            *(difference(found[metric].comparisons.get(name)) for metric in metrics),
            *([papers(shown, name, reference)] if has_paper else []),
        ]
        for name, rung in shown.rungs.items()
        if name != reference
    }


def test_the_steps_of_the_docs_are_the_reports(shown: LadderResults) -> None:
    found = by_metric(shown)
    line = "| step | top-1 | mAP (VOC07) | mIoU | paper: mAP, mIoU | minutes |"
    assert rows_below(DOCS, line) == {
        f"{shown.label(step.rung)} - {shown.label(step.reference)}": [
            *(
                difference(found[metric].steps.get(rung))
                for metric in ("top1", "mAP_voc07", "mIoU")
            ),
            papers(shown, *step.pair),
            f"{round(more_minutes(shown, *step.pair) or 0.0, 1) + 0.0:+.1f}",
        ]
        for rung, step in found["mIoU"].steps.items()
    }


def test_the_docs_say_how_many_seeds_there_are(shown: LadderResults) -> None:
    seeds = len({cell.seed for cell in shown.cells_of()})
    planned = len({cell.seed for cell in shown.cells})
    assert (seeds, planned) == (9, 10)
    assert "9 of the ten seeds are done (0 to 8)" in DOCS.read_text()
    assert "the first nine of ten seeds" in (ROOT / "README.md").read_text()
