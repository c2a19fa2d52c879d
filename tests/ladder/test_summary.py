"""Means, spreads and paired gains from cell folders."""

import json
from pathlib import Path

import pytest

from ladder.plan import plan
from ladder.spec import Ladder, Rung, Task
from ladder.summary import summarise, table

MAPS = {("scratch", 0): 40.0, ("scratch", 1): 44.0, ("d", 0): 47.0, ("d", 1): 49.0}
DET = Task("detection", "det", Path("det.py"), ("mAP_voc07",))
LADDER = Ladder(
    "mine",
    Path("mine.py"),
    (Rung("scratch", "scratch"), Rung("d", "config", "d.py")),
    (DET,),
    seeds=(0, 1),
    shared_seed=0,
    reference="scratch",
)


@pytest.fixture
def cells(tmp_path):
    made = plan(LADDER, tmp_path)
    for cell in made:
        cell.folder.mkdir(parents=True)
        value = dict(top1=60.0) if cell.task is None else {}
        if cell.task:
            value = dict(mAP_voc07=MAPS[cell.rung.name, cell.seed], mAP_area=1.0)
        (cell.folder / "metrics.json").write_text(json.dumps(dict(metrics=value)))
        record = dict(status="done", train=dict(img_per_s=50.0))
        (cell.folder / "cell.json").write_text(json.dumps(record))
    return made


def test_gains_are_paired_by_seed(cells):
    gains = summarise(LADDER, cells)["gains"]
    assert gains == {"d": {"mAP_voc07": {0: 7.0, 1: 5.0}}}


def test_table_gives_mean_and_spread_and_warns_of_few_seeds(cells):
    text = table(summarise(LADDER, cells))
    # (40 + 44) / 2 and sqrt((4 + 4) / 1); (47 + 49) / 2 and sqrt(2); gains 7 and 5
    assert "42.0 +- 2.8" in text
    assert "48.0 +- 1.4" in text
    assert "+6.0 +- 1.4" in text
    assert "60.0 +- 0.0" in text
    assert "Seeds: 2; too few seeds for a verdict" in text


def test_an_unfinished_or_failed_cell_leaves_a_gap(cells):
    lost = next(cell for cell in cells if cell.key == "seed1/d/detection")
    (lost.folder / "cell.json").write_text(json.dumps(dict(status="failed")))
    rows = summarise(LADDER, cells)["rows"]
    assert rows["d"]["mAP_voc07"] == {0: 47.0}
    assert rows["scratch"]["mAP_voc07"] == {0: 40.0, 1: 44.0}


def test_two_tasks_with_one_metric_have_a_column_each(cells):
    other = Task("own", "det", Path("own.py"), ("mAP_voc07",))
    two = Ladder(**{**vars(LADDER), "tasks": (DET, other)})
    columns = summarise(two, [])["rows"]["d"]
    assert {"detection mAP_voc07", "own mAP_voc07"} <= columns.keys()
