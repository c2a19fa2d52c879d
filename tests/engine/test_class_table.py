"""The table of classes on the screen."""

import re
from typing import Any

import numpy as np
import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.class_table import class_table
from bag_of_transfer.engine.loop.details import Details, describe, write_details
from bag_of_transfer.run_report.details_file import read_details


def record(size: int, **more: Any) -> dict[str, Any]:
    figures = np.arange(size, dtype=float)
    figures[2] = np.nan
    details = Details(
        measure="AP",
        counted="objects",
        classes=[f"class-{number:03}" for number in range(size)],
        figures=figures,
        counts=np.where(np.isnan(figures), 0, 7),
        precision=figures / 2,
        recall=np.where(figures > 0, figures, 0.0),
        confusion=np.eye(size + 1, dtype=int) * 3,
        image_measure="F1",
        image_figures=np.array([50.0, np.nan]),
        score=0.37,
        **more,
    )
    return describe(details, split="val", metrics={"AP": 1.0})


def test_few_classes_are_all_shown_in_their_order() -> None:
    lines = class_table(record(5), "details.json").splitlines()
    assert re.split(" {2,}", lines[1].strip()) == [
        *("class", "AP %", "objects", "precision %", "recall %")
    ]
    assert [line.split() for line in lines[3:8]] == [
        ["class-000", "0.00", "7", "0.00", "0.00"],
        ["class-001", "1.00", "7", "0.50", "1.00"],
        ["class-002", "-", "0", "-", "0.00"],
        ["class-003", "3.00", "7", "1.50", "3.00"],
        ["class-004", "4.00", "7", "2.00", "4.00"],
    ]
    assert lines[-1] == (
        "precision and recall at score 0.37 (highest mean F1) and IoU 0.5; 1 class never found"
    )


def test_of_many_classes_the_worst_and_the_best_ten_are_shown() -> None:
    text = class_table(record(80), "details.json")
    shown = [line.split()[0] for line in text.splitlines() if "class-" in line]
    numbers = [0, 1, *range(3, 11), *range(70, 80)]
    assert shown == [f"class-{number:03}" for number in numbers]
    assert "60 more classes are in details.json" in text


def test_a_hostile_name_is_a_name() -> None:
    hostile = record(3)
    hostile["classes"][0]["name"] = "[bold]\x1b[2J\n" + 50 * "x"
    text = class_table(hostile, "details.json")
    assert "\x1b" not in text
    assert "[bold]" in text
    assert len(text.splitlines()) == 7
    assert max(map(len, text.splitlines())) <= 100


def test_what_is_written_is_read_again_and_damage_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "details.json"
    written = record(4, curves=np.full((4, 101), 12.345))
    write_details(path, written)
    read = read_details(path, "remove it")
    assert read == written
    assert read["curves"]["class-001"] == [12.35] * 101
    path.write_text(path.read_text().replace('"count": 7', '"count": -7'))
    with pytest.raises(UserError, match="count"):
        read_details(path, "remove it")
