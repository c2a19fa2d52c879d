"""Means, spreads and paired gains from cell folders."""

import json

import pytest

from ladder.plan import Cell
from ladder.summary import summarise, table

MAPS = {("scratch", 0): 40.0, ("scratch", 1): 44.0, ("d", 0): 47.0, ("d", 1): 49.0}


@pytest.fixture
def cells(tmp_path):
    made = []
    for (rung, seed), value in MAPS.items():
        folder = tmp_path / f"{rung}{seed}"
        folder.mkdir()
        tested = dict(task="det", metrics=dict(mAP_voc07=value, mAP_area=1.0))
        (folder / "test.json").write_text(json.dumps(tested))
        (folder / "metrics.json").write_text(json.dumps(dict(img_per_s=50.0)))
        made.append(Cell(rung, "detection", seed, folder, folder, ()))
    return made


def test_gains_are_paired_by_seed(cells):
    gains = summarise(cells)["gains"]
    assert gains["d"]["mAP"] == {0: 7.0, 1: 5.0}
    assert "scratch" not in gains


def test_table_gives_mean_and_spread_and_warns_of_few_seeds(cells):
    text = table(summarise(cells))
    # (40 + 44) / 2 and sqrt((4 + 4) / 1); (47 + 49) / 2 and sqrt(2); gains 7 and 5
    assert "42.0 +- 2.8" in text
    assert "48.0 +- 1.4" in text
    assert "+6.0 +- 1.4" in text
    assert "Seeds: 2; too few seeds for a verdict" in text


def test_a_cell_without_result_leaves_its_place_empty(cells):
    cells[3].result.unlink()
    summary = summarise(cells)
    assert summary["rows"]["d"]["mAP"] == {0: 47.0}
    assert summary["gains"]["d"]["mAP"] == {0: 7.0}
