"""Flags of ``tools/ladder.py``: limits that no machine can wait for, and seeds of earlier calls."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.plan.spec import Rung
from bag_of_transfer.ladder.run import schedule, status
from tests.ladder.fake_ladder import ladder, use_fake_tools, write_ladder

WRONG = [
    *(("--max-minutes", number) for number in ("inf", "nan", "-1")),
    *(("--import-limit", number) for number in ("inf", "nan", "1e300", "0", "-1")),
]


@pytest.mark.parametrize(("flag", "number"), WRONG)
def test_a_limit_that_is_no_limit_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, number: str
) -> None:
    given = (f"{flag}={number}", *(("--import", "a.tar.gz") if "import" in flag else ()))
    assert ladder(write_ladder(tmp_path), "--work-dir", tmp_path / "out", *given) == 2
    assert f"is not a valid number: {flag}: give " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class Places:
    """Run a cell that ends when it was waited for a second time."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def has_room(self) -> bool:
        return True

    def start(self, cell: Cell, resume: bool) -> None:
        self.key = cell.key

    def wait(self, seconds: float) -> dict[str, int]:
        self.waited.append(seconds)
        return {self.key: 0} if len(self.waited) == 2 else {}

    def stop(self) -> None:
        pass


@pytest.mark.parametrize("minutes", [1e12, 1e308, None])
def test_a_limit_of_years_is_waited_for_a_day_at_a_time(minutes: float | None) -> None:
    cell, places = Cell(Rung("b", "config", "b.py"), None, 0, 0, (), Path("out")), Places()
    missing = {cell.key: status.Status(status.MISSING)}
    outcome = schedule.run_in_order([cell], missing, places, minutes, time.monotonic())
    assert (outcome.done, outcome.out_of_time) == ([cell.key], False)
    assert places.waited == [24 * 3600.0] * 2


def test_seeds_that_leave_the_tables_are_named_with_how_to_add_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fake_tools(tmp_path, monkeypatch)

    def call(rungs: str, *flags: Any) -> tuple[list[int], str]:
        assert ladder(write_ladder(tmp_path, rungs), "--work-dir", tmp_path / "out", *flags) == 0
        said = capsys.readouterr().out
        return json.loads((tmp_path / "out/ladder.json").read_text())["seeds"], said

    one, two = "scratch=None", "scratch=None, other=dict(scratch=True)"
    call(one, "--seeds", 3, 4)
    told = "the tables leave out seeds 3, 4 of "
    seeds, said = call(one)
    assert (seeds, told in said) == ([0, 3, 4], False)
    seeds, said = call(two)
    assert (seeds, said.count(told)) == ([0], 1)
    assert "--seeds 3 4 runs what they lack and adds them again" in said
    seeds, said = call(two, "--seeds", 3, 4)
    assert (seeds, told in said) == ([0, 3, 4], False)
