"""Rows as configs tell them, and mistakes in them."""

from pathlib import Path

import pytest

from bag_of_transfer.engine.config.paper_rows import paper_rows
from bag_of_transfer.engine.errors import UserError

ROW = 'dict(table="T6", row="cosine", published=dict(top1=77.73){more})'


def write(folder: Path, task: str, name: str, text: str) -> None:
    path = folder / "configs" / task / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_row_says_its_own_comparison_or_takes_the_configs(tmp_path: Path) -> None:
    own = ROW.format(more=", compare_to=None, measured=dict(top1=77.5)").replace("T6", "T1")
    rows = f"rows = [{ROW.format(more='')}, {own}]\ncompare_to = 'first'\n"
    write(tmp_path, "classification", "first", "x = 1\n")
    write(tmp_path, "classification", "second", rows)
    early, late = paper_rows(tmp_path / "configs")  # by table
    assert early == dict(
        config="configs/classification/second.py",
        table="T1",
        row="cosine",
        published=dict(top1=77.73),
        compare_to=None,
        measured=dict(top1=77.5),
    )
    assert late["compare_to"] == "configs/classification/first.py"
    assert late["measured"] is None


def test_rows_are_not_inherited(tmp_path: Path) -> None:
    write(tmp_path, "classification", "ours", f"rows = [{ROW.format(more='')}]\n")
    write(tmp_path, "classification", "theirs", "_base_ = ['ours.py']\nlr = 1\n")
    (row,) = paper_rows(tmp_path / "configs")
    assert row["config"].endswith("ours.py")


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (ROW.format(more="").replace("T6", "T10"), "no table T10.*T1, T2"),
        (ROW.format(more=", top1=3"), r"unknown keys \['top1'\]"),
        ('dict(table="T6", row="x")', r"lacks \['published'\]"),
        (ROW.format(more=", compare_to='gone'"), "names gone, which does not exist"),
        (ROW.format(more=", backbone='gone'"), "names gone, which does not exist"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, row: str, match: str) -> None:
    write(tmp_path, "detection", "leaf", f"rows = [{row}]\n")
    with pytest.raises(UserError, match=match) as raised:
        paper_rows(tmp_path / "configs")
    assert "leaf.py: rows" in str(raised.value)
