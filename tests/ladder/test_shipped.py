"""The ladders that come with the toolkit are read, and have the rows that they promise."""

import functools
import re
from math import prod
from pathlib import Path

import pytest

from bag_of_transfer.engine.lr import apply_lr_rule
from bag_of_transfer.ladder.plan.planning import plan
from bag_of_transfer.ladder.plan.spec import Ladder, read_ladder
from bag_of_transfer.ladder.run.fingerprint import resolved

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "configs/ladder").glob("*.py"))
ROWS = [
    *("B-standard", "D-efficient", "+ cosine", "+ smooth"),
    *("+ distill w/o mixup", "+ mixup w/o distill", "+ distill w/ mixup"),
]
LONGER = ["+ mixup w/o distill", "+ distill w/ mixup"]  # once more, with the paper's schedule


@functools.cache
def read(name: str) -> Ladder:
    return read_ladder(ROOT / f"configs/ladder/{name}.py")


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_list_is_complete():
    studies = ["gap_fine_tuning", "gap_pretraining"]
    others = ["demo", "paper", "public", "small", "small_drawn", "small_gpu"]
    assert sorted(path.stem for path in SHIPPED) == sorted([*studies, *others])


# Of the two studies the larger one.
BETWEEN = {"gap_pretraining"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem in BETWEEN))
        for path in SHIPPED
    ],
)
def test_it_is_read_and_planned(path):
    text = path.read_text()
    for word in ("Paper:", "Data:", f"tools/ladder.py configs/ladder/{path.name}", "Result:"):
        assert word in text
    cells = plan(read(path.stem), Path("out")).cells
    segments = {"seg"} if not path.stem.startswith("gap") else set()
    assert {cell.kind for cell in cells} == {"cls", "det", *segments}


@pytest.mark.parametrize(
    ("name", "longer"),
    [("paper", []), ("small", LONGER), ("small_drawn", LONGER), ("small_gpu", LONGER)],
)
def test_the_seven_rows_stand_in_the_papers_order_beside_its_figures(name, longer):
    rungs = read(name).rungs
    rows = [rung for rung in rungs if rung.row]
    assert [rung.row for rung in rows] == [*ROWS, *longer]
    assert all({"mAP_voc07", "pixAcc", "mIoU"} <= rung.published.keys() for rung in rows)


@pytest.mark.parametrize("name", ["small", "small_drawn", "small_gpu"])
def test_every_trained_rung_of_the_small_ladders_is_tuned_alike(name):
    ladder = read(name)
    grids = {rung.tune for rung in ladder.rungs if rung.kind == "config"}
    assert len(grids) == 1
    assert None not in grids | {task.tune for task in ladder.tasks}


def test_the_papers_teachers_only_teach():
    cells = plan(read("paper"), Path("out")).cells
    for name in ("teacher", "teacher_mixup"):
        of_teacher = [cell.key for cell in cells if cell.rung.name == name]
        assert of_teacher == [f"seed0/{name}/pretraining"]
    assert len([cell for cell in cells if cell.task]) == 7 * 2


def on_one_gpu(name):
    """Of every config of a ladder: its text, images per update, and the learning rate's line."""
    found = {}
    for cell in plan(read(name), Path("out")).cells:
        if cell.config not in found:
            cfg = resolved(cell)
            batch = cfg.train_dataloader.batch_size * cfg.optim_wrapper.get(
                "accumulative_counts", 1
            )
            found[cell.config] = (cell.config.read_text(), batch, apply_lr_rule(cfg, world_size=1))
    return found


def test_the_papers_batches_and_learning_rates_are_whole_on_one_gpu():
    found = on_one_gpu("paper")
    pretrained = [path for path in found if "classification" in path.parts]
    assert (len(pretrained), len(found)) == (7 + 2, 7 + 2 + 2)
    num_told = 0
    for path in pretrained:
        text, batch, lr = found[path]
        # the name tells GPUs x images, the header how one GPU makes as many of them
        assert batch == prod(map(int, re.search(r"_(\d+)xb(\d+)_", path.name).groups()))
        assert "--cfg-options optim_wrapper.accumulative_counts=8\n" in text
        if "GPUs: lr" in text:
            assert f"GPUs: {lr}\n" in text
            num_told += 1
    assert num_told == 7  # the others leave the base's batch of 256 and its lr as they are
    for path in pretrained[1:3]:
        assert found[path][1:] == (256, "lr 0.1 = 0.1 x 256 / 256")


def test_the_papers_fine_tuning_has_the_batch_that_its_lr_is_stated_for():
    tuned = {path.stem: said for path, said in on_one_gpu("paper").items() if "_paper" in path.stem}
    text, batch, lr = tuned["fcn_d8_paper_ade20k"]
    assert (batch, lr) == (4 * 4, "lr 0.01 = 0.01 x 16 / 16")
    assert "4 GPUs with 4 images each" in text
    assert "on one: --cfg-options train_dataloader.batch_size=16\n" in text
    _, batch, lr = tuned["faster-rcnn_c4_paper_voc"]
    assert (batch, lr) == (4, "lr 0.001 = 0.001 x 4 / 4")


def test_public_models_are_compared_with_each_other():
    ladder = read("public")
    assert {rung.kind for rung in ladder.rungs} == {"scratch", "model"}
    assert ladder.reference == "torchvision"
