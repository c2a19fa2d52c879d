"""What a call ends with: figures by seed, and the report's tables and footnotes on the screen."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from bag_of_transfer.ladder.report.documents import tables_of
from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.ladder.report.summary import on_screen, overview, summarise
from bag_of_transfer.ladder.report.tables import markdown, plain
from bag_of_transfer.pages.table import Entry, Table
from tests.ladder import drawn_ladder as drawn


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> LadderResults:
    folder = drawn.draw_ladder(tmp_path_factory.mktemp("ladder") / "three")
    # What a card of ours says was measured before the test.
    drawn.write(folder / "seed0/b_standard/pretraining/backbone.json", {"metrics": {"top1": 1.0}})
    return read_results(folder)


def test_figures_are_by_seed_and_an_undone_cell_leaves_a_gap(ladder: LadderResults) -> None:
    rows = summarise(ladder, find(ladder), find_top1(ladder))["rows"]
    assert list(rows["d_all"]) == ["top1", "mAP_voc07", "pixAcc", "mIoU", "img/s"]
    assert rows["d_all"]["mAP_voc07"] == {0: 46.0, 2: 49.0}  # seed 1 failed
    assert rows["d_all"]["img/s"] == {0: 50.0, 2: 50.0}
    assert rows["b_standard"]["top1"] == {0: 46.0, 1: 50.0, 2: 48.0}
    assert rows["public"]["top1"] == {0: 79.08}  # its card's
    assert rows["scratch"]["top1"] == {}


def test_gains_are_paired_by_seed(ladder: LadderResults) -> None:
    found = summarise(ladder, find(ladder), find_top1(ladder))
    assert found["reference"] == "scratch"
    # scratch has 40, 44, 42; B-standard 47, 49, 48
    assert found["gains"]["b_standard"]["mAP_voc07"] == {0: 7.0, 1: 5.0, 2: 6.0}
    assert found["gains"]["d_all"]["mAP_voc07"] == {0: 6.0, 2: 7.0}
    assert "top1" not in found["gains"]["d_all"]


def test_two_tasks_with_one_metric_have_a_column_each(ladder: LadderResults) -> None:
    other = replace(ladder.tasks["detection"], name="own")
    two = replace(ladder, tasks={"detection": ladder.tasks["detection"], "own": other})
    row = summarise(two, find(two), find_top1(two))["rows"]["d_all"]
    assert {"detection mAP_voc07", "own mAP_voc07"} <= row.keys()
    assert row["detection mAP_voc07"] == {0: 46.0, 2: 49.0}
    assert row["own mAP_voc07"] == {}


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_summary_has_the_reports_tables_and_footnotes(ladder: LadderResults) -> None:
    document, screen = overview(ladder, find(ladder), find_top1(ladder))
    findings, top1 = find(ladder), find_top1(ladder)
    tables = tables_of(ladder, findings, top1)
    assert len(tables) == 9
    for table in tables:
        assert f"## {table.caption}\n\n{markdown(table)}" in document
        assert table.caption in screen
    notes = footnotes(ladder, findings, top1)
    assert "scratch trains its BN and freezes nothing." in notes
    for note in notes:
        assert f"- {plain(note)}" in document
        assert f"- {note}" in flat(screen)
    assert "Cells without results: 1 missing, 1 failed, 1 unfinished." in screen
    assert drawn.FAILED[0] in document


def test_a_terminal_of_100_columns_shows_every_figure_whole(ladder: LadderResults) -> None:
    rungs = {
        name: replace(rung, label=f"\u691c\u51fa {name}") for name, rung in ladder.rungs.items()
    }
    wide = replace(ladder, rungs=rungs)
    lines = overview(wide, find(wide), find_top1(wide))[1].splitlines()
    assert max(map(cell_len, lines)) <= 100
    text = "\n".join(lines)
    for table in tables_of(wide, find(wide), find_top1(wide))[:-1]:  # the last is of words
        for figure in (entry.text for row in table.rows for entry in row[1:-1] if entry.text):
            assert f" {figure} " in text
    assert "n 2 of 3" in text
    assert "diverged" in text
    assert "as its card says" in text
    assert " shared " in text


def test_brackets_in_a_label_are_no_markup(ladder: LadderResults) -> None:
    rung = replace(ladder.rungs["b_standard"], label="[red]B[/red] :cat:")
    named = replace(ladder, rungs={**ladder.rungs, "b_standard": rung})
    assert "[red]B[/red]" in overview(named, find(named), find_top1(named))[1]


def test_few_seeds_are_told_rung_by_rung(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "six", seeds=6, whole=True)
    for seed in range(1, 6):
        path = folder / f"seed{seed}/b_standard/detection/cell.json"
        drawn.write(path, {**json.loads(path.read_text()), "status": "failed"})
    results = read_results(folder)
    _, screen = overview(results, find(results), find_top1(results))
    lines = screen.split("detection: difference")[1].split("segmentation:")[0].splitlines()
    few, six, _ = (line for line in lines if "mAP" in line)
    assert "| B-standard " in few
    assert "| 1 of 6" in few
    assert "too few seeds" in few
    assert "| 6 of 6" in six
    assert "better" in six


def test_wide_intervals_leave_a_label_its_first_ten_characters() -> None:
    columns = ("rung", "metric", "difference", "95 % interval", "95 %, images too", "n", "verdict")
    figures = ("mAP (VOC07)", "+18.18", "-12.05 to +38.41", "-18.41 to +51.75", "6 of 6")
    row = [Entry(text) for text in ("B-standard", *figures, "not decided")]
    row[5] = Entry("6 of 6", None, "matched")
    lines = on_screen(Table("", columns, (tuple(row),))).splitlines()
    assert max(map(cell_len, lines)) <= 100
    assert all(figure in lines[-2] for figure in figures)
    assert "| B-standard " in lines[-2]
