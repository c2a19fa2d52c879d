"""The page names the rung with the highest mean of those that are shown to be better."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bag_of_transfer.ladder.report import page
from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.page import render
from bag_of_transfer.ladder.report.results import read_results
from bag_of_transfer.ladder.statistics.over_seeds import verdict
from tests.ladder import drawn_ladder as drawn


def cards(folder: Path) -> list[str]:
    """Return the text of each card about the highest mean."""
    ladder = read_results(folder)
    html = render(ladder, find(ladder), find_top1(ladder), [], [])
    part = html[html.index('class="facts highest"') :]
    part = part[: part.index("</dl>")]
    found = re.findall(r"<div>(.*?)</div>", part, flags=re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", each).split()) for each in found]


@pytest.mark.parametrize("seeds", [1, 3])
def test_with_too_few_seeds_no_rung_is_named(tmp_path: Path, seeds: int) -> None:
    shown = cards(drawn.draw_ladder(tmp_path / "few", seeds=seeds, whole=True))
    assert len(shown) == 3
    for card in shown:
        assert card.startswith("Shown to be better in ")
        assert card.endswith("none against scratch: too few seeds for a verdict")


def test_with_a_verdict_the_rung_and_its_mean_are_named(tmp_path: Path) -> None:
    shown = cards(drawn.draw_ladder(tmp_path / "six", seeds=6, whole=True))
    named = (
        "Shown to be better in mAP (VOC07), detection public | file 60.50 against scratch: better"
    )
    assert len(shown) == 3
    assert shown[0].startswith(named)


def test_a_higher_mean_that_is_not_decided_hides_no_better_rung(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "six", seeds=6, whole=True)
    ladder = read_results(folder)
    (finding, *_) = find(ladder)
    public, scratch = (finding.comparisons["public"], finding.spreads["scratch"])
    undecided = replace(public, half_width=1 + abs(public.mean or 0))
    others = {**finding.comparisons, "public": undecided}
    better = [rung for rung, each in others.items() if verdict(each) == "better"]
    (row,) = page._highest(ladder, [replace(finding, comparisons=others)])
    assert better
    assert scratch.mean < finding.spreads[better[0]].mean < finding.spreads["public"].mean
    assert row[1] == ladder.label(max(better, key=lambda rung: finding.spreads[rung].mean))
    assert row[3].startswith("against scratch: better")
