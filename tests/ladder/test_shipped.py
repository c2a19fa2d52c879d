"""The ladders that come with the toolkit are read, and have the rows that they promise."""

from pathlib import Path

import pytest

from ladder.plan import plan
from ladder.spec import read_ladder

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "configs/ladder").glob("*.py"))
ROWS = [
    *("B-standard", "D-efficient", "+ cosine", "+ smooth"),
    *("+ distill w/o mixup", "+ mixup w/o distill", "+ distill w/ mixup"),
]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_list_is_complete():
    assert [path.stem for path in SHIPPED] == ["demo", "paper", "public", "small", "small_gpu"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_is_read_and_planned(path):
    text = path.read_text()
    for word in ("Paper:", "Data:", f"tools/ladder.py configs/ladder/{path.name}", "Result:"):
        assert word in text
    cells = plan(read_ladder(path), Path("out"))
    assert {cell.kind for cell in cells} == {"cls", "det", "seg"}


@pytest.mark.parametrize("name", ["paper", "small", "small_gpu"])
def test_the_seven_rows_stand_in_the_papers_order_beside_its_figures(name):
    rungs = read_ladder(ROOT / f"configs/ladder/{name}.py").rungs
    rows = [rung for rung in rungs if rung.row]
    assert [rung.row for rung in rows] == ROWS
    assert all({"mAP_voc07", "pixAcc", "mIoU"} <= rung.published.keys() for rung in rows)


def test_the_papers_teacher_only_teaches():
    cells = plan(read_ladder(ROOT / "configs/ladder/paper.py"), Path("out"))
    assert [cell.key for cell in cells if cell.rung.name == "teacher"] == [
        "seed0/teacher/pretraining"
    ]
    assert len([cell for cell in cells if cell.task]) == 7 * 2


def test_public_models_are_compared_with_each_other():
    ladder = read_ladder(ROOT / "configs/ladder/public.py")
    assert {rung.kind for rung in ladder.rungs} == {"scratch", "model"}
    assert ladder.reference == "torchvision"
