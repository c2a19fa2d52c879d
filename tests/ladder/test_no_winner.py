"""The page names no rung as the highest without a verdict."""

import re
from pathlib import Path

import pytest

from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.page import render
from bag_of_transfer.ladder.report.results import read_results
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
    highest = "Highest mean mAP (VOC07), detection public | file 60.50 against scratch: better"
    assert (shown[0], len(shown)) == (highest, 3)
