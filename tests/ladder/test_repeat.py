"""Lines that repeat a cell: as recorded, but into a fresh folder; quoted for a shell."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from bag_of_transfer.ladder.report.repeat import cell_commands, ladder_command
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from tests.ladder import drawn_ladder as drawn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return drawn.draw_ladder(tmp_path / "drawn", seeds=1, whole=True)


def lines_of(ladder: LadderResults, name: str) -> str:
    return next(
        text for _, cells in cell_commands(ladder) for cell, text in cells if cell.name == name
    )


@pytest.mark.parametrize("root", ["work_dirs/drawn/", "/far/my runs/", ""])
def test_what_a_cell_writes_goes_to_a_fresh_folder_and_what_it_reads_stays(
    folder: Path, root: str
) -> None:
    own, before = f"{root}seed0/d_all/detection", f"{root}seed0/d_all/pretraining"
    made = [
        ["tools/train.py", "det.py", "--work-dir", own, "--backbone", f"{before}/backbone.st"],
        ["tools/test.py", "det.py", f"{own}/best_mAP_epoch_2.pth", "--out", f"{own}/metrics.json"],
        ["tools/x.py", f"{own}_more", f"a{own}" if not root else "a", "a b", "$(c)"],
        ["tools/train.py", "--cfg-options", f"model.x.cache={own}/a", f"model.x.old={before}/a"],
    ]
    path = folder / "seed0/d_all/detection/cell.json"
    drawn.write(path, {**drawn.record("d_all", "detection", 0), "commands": made})
    found = [
        shlex.split(line)
        for line in lines_of(read_results(folder), "d_all / detection / seed 0").splitlines()
    ]
    new = "work_dirs/drawn_again/seed0/d_all/detection"
    assert found[0][1:] == [*made[0][:3], new, *made[0][4:]]
    assert found[1] == [
        *("python", "tools/test.py", "det.py", f"{new}/best_mAP_epoch_2.pth"),
        *("--out", f"{new}/metrics.json"),
    ]
    assert found[2][1:] == made[2]  # another folder whose name only looks alike
    assert found[3][1:] == [*made[3][:2], f"model.x.cache={new}/a", made[3][3]]


def test_a_files_cell_copies_file_and_card(folder: Path) -> None:
    ladder = read_results(folder)
    rung = replace(ladder.rungs["public"], kind="file", origin="my files/d50.safetensors")
    (cell,) = ladder.cells_of("public", "pretraining")
    own = replace(cell, record={**cell.record, "commands": []})
    of_file = replace(ladder, rungs={"public": rung}, cells=(own,))
    new = "work_dirs/drawn_again/seed0/public/pretraining"
    assert lines_of(of_file, cell.name).splitlines() == [
        f"mkdir -p {new}",
        f"cp 'my files/d50.safetensors' {new}/backbone.safetensors",
        f"cp 'my files/d50.json' {new}/backbone.json",
    ]


def test_the_ladders_line_names_config_folder_and_seeds(folder: Path) -> None:
    ladder = replace(read_results(folder), config="my ladders/a.py", seeds=(3, 5))
    words = ["my ladders/a.py", "--work-dir", "work_dirs/drawn_again", "--seeds", "3", "5"]
    assert shlex.split(ladder_command(ladder)) == ["python", "tools/ladder.py", *words]
    words[3:3] = ["--amp", "off"]
    command = ladder_command(replace(ladder, amp="off"))
    assert shlex.split(command) == ["python", "tools/ladder.py", *words]
