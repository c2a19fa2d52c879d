"""Footnotes where cells differ in more than the backbone: hardware, versions, precision."""

import json
from pathlib import Path

import pytest

from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes
from bag_of_transfer.ladder.report.machines import environment, machine_notes
from bag_of_transfer.ladder.report.results import read_results
from tests.ladder import drawn_ladder as drawn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return drawn.draw_ladder(tmp_path / "drawn", seeds=2, whole=True)


def notes(folder: Path) -> list[str]:
    return list(machine_notes(read_results(folder)))


def test_cells_of_one_machine_need_no_note(folder: Path) -> None:
    assert notes(folder) == []


def test_other_hardware_and_versions_are_noted_by_what_differs(folder: Path) -> None:
    path = folder / "seed0/scratch/detection/metrics.json"
    versions = {"python": "3.11.2", "torch": "2.10.0"}
    result = {**json.loads(path.read_text()), "hardware": "1 x H200", "versions": versions}
    drawn.write(path, result)
    # 2 seeds x 4 rungs x 2 tasks and 2 x 2 pretrainings; the public file's has no figures
    expected = [
        "Not all cells ran on the same hardware: 2 cores Drawn CPU (19 cells), 1 x H200 (1 cell).",
        "Not all cells ran on the same torch: 2.14.1 (19 cells), 2.10.0 (1 cell).",
    ]
    assert notes(folder) == expected
    ladder = read_results(folder)
    assert set(expected) <= set(footnotes(ladder, find(ladder), find_top1(ladder)))
    assert environment(ladder) == [
        ("2 cores Drawn CPU", "python 3.11.2, torch 2.14.1", 19),
        ("1 x H200", "python 3.11.2, torch 2.10.0", 1),
    ]


def set_precision(folder: Path, cell: str, value: str) -> None:
    entry = {"on": value != "fp32", "value": value, "evidence": ""}
    drawn.write(folder / cell / "tricks.json", {"mixed_precision": entry})


def test_a_tasks_cells_should_have_one_precision(folder: Path) -> None:
    set_precision(folder, "seed0/scratch/detection", "bf16")
    set_precision(folder, "seed0/b_standard/detection", "bf16")
    set_precision(folder, "seed0/d_all/detection", "fp32")
    set_precision(folder, "seed0/d_all/segmentation", "fp32")
    expected = (
        "detection: not all cells had the same mixed precision: bf16 (2 cells), fp32 (1 cell)."
    )
    assert notes(folder) == [expected]


def test_of_pretrainings_only_one_rungs_seeds_should(folder: Path) -> None:
    for seed in (0, 1):
        set_precision(folder, f"seed{seed}/b_standard/pretraining", "fp32")
        set_precision(folder, f"seed{seed}/d_all/pretraining", "fp16")
    assert notes(folder) == []
    set_precision(folder, "seed1/d_all/pretraining", "bf16")
    (note,) = notes(folder)
    assert note.startswith("d_all / pretraining: not all cells had the same mixed precision")


def test_a_tasks_cells_should_have_one_layout(folder: Path) -> None:
    for cell, last in (("scratch/detection", True), ("d_all/detection", False)):
        path = folder / "seed0" / cell / "metrics.json"
        drawn.write(path, {**json.loads(path.read_text()), "channels_last": last})
    assert notes(folder) == [
        "detection: not all cells had the same layout: channels last (1 cell), "
        "channels first (1 cell)."
    ]
