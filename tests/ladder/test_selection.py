"""Where val is the published test split, nothing is picked on it."""

from pathlib import Path

import pytest

from bag_of_transfer.detection.metrics import CocoBoxMetric, VocMetric
from bag_of_transfer.ladder.metrics import shown_metrics
from bag_of_transfer.ladder.plan.cells import Cell, commands
from bag_of_transfer.ladder.plan.spec import Rung, Task
from bag_of_transfer.segmentation.metrics import SegMetric


@pytest.mark.parametrize(
    ("published", "selection", "tested"),
    [
        (False, "val", "best"),
        (False, "last", "last_checkpoint"),
        (True, "val", "last_checkpoint"),
        (True, "last", "last_checkpoint"),
    ],
)
def test_the_checkpoint_that_is_tested(published: bool, selection: str, tested: str) -> None:
    task = Task("voc", "det", Path("det.py"), ("mAP_voc07",), published_split=published)
    cell = Cell(Rung("scratch", "scratch"), task, 0, None, (), Path("out"))
    test = next(one for one in commands(cell, selection) if one.tool == "tools/test.py")
    assert Path(test.words[2]).name == tested


@pytest.mark.parametrize("judge", [VocMetric, CocoBoxMetric, SegMetric])
def test_the_best_on_val_is_the_best_by_the_metric_that_values_are_chosen_by(judge: type) -> None:
    assert shown_metrics(judge.__name__)[-1] == judge.names[0]  # the one of save_best="auto"
