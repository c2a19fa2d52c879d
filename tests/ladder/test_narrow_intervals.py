"""``--precision``: how many seeds narrow intervals take, and running them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bag_of_transfer.ladder.report.findings import compare_rungs
from bag_of_transfer.ladder.report.results import read_results
from tests.ladder import fake_tools
from tests.ladder.fake_ladder import OUT, ladder, use_fake_tools, write_ladder

SEEDS = "[0, 1, 2]"
# With sd 1 (three seeds) and one rung: t(0.975, 2) = 4.303, / sqrt(3) = 2.48; it takes 7 seeds to
# reach 1 (2.447 / sqrt(7) = 0.92; 2.571 / sqrt(6) = 1.05).
VARIES = """
seed = int(out.parent.parent.parent.name.removeprefix("seed"))
noise = (-1.0, 1.0, 0.0)[seed % 3] * ("varies" in str(out))
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Call a ladder whose rung ``varies`` has a difference to scratch that depends on the seed."""
    monkeypatch.chdir(tmp_path)
    test = 'elif name.startswith("test"):\n    out = pathlib.Path(after("--out"))\n'
    varying = test + "".join(f"    {line}\n" for line in VARIES.strip().splitlines())
    fake = fake_tools.FAKE.replace(test, varying).replace(
        '"mAP_voc07": 2.0', '"mAP_voc07": 40 + noise'
    )
    assert fake.count("noise") == 2
    monkeypatch.setattr(fake_tools, "FAKE", fake)
    use_fake_tools(tmp_path, monkeypatch)

    def again(*flags: object, seeds: str = SEEDS, rungs: str = "varies=dict(config='{0}/b.py')"):
        config = write_ladder(tmp_path, f"scratch=None, {rungs}", seeds=seeds)
        return ladder(config, "--work-dir", OUT, *flags)

    return again


def seeds_run() -> list[int]:
    plan = json.loads((OUT / "ladder.json").read_text())["seeds"]
    done = sorted(int(each.name[4:]) for each in OUT.glob("seed*"))
    assert plan == done
    return done


def row(text: str) -> list[str]:
    (line,) = [
        line for line in text.splitlines() if line.startswith("| varies") and "+" not in line
    ]
    return [entry.strip() for entry in line.strip("|").split("|")]


def test_without_a_maximum_it_only_tells(call, capfd):
    assert call("--precision", 1) == 0
    assert seeds_run() == [0, 1, 2]
    out = capfd.readouterr().out
    # the last table of the call, below the report's
    last = out[out.index("seeds for 95 % intervals of +-1 points: differences to scratch") :]
    assert row(last)[1:] == ["detection", "mAP (VOC07)", "3", "1.00", "2.48", "7"]


def test_seeds_are_added_until_the_interval_is_narrow(call, capfd):
    assert call("--precision", 1, "--max-seeds", 20) == 0
    found = compare_rungs(read_results(OUT), "detection", "mAP_voc07")["varies"]
    assert found.half_width is not None
    assert found.half_width <= 1
    assert seeds_run() == list(range(found.n))
    assert 5 <= found.n <= 7
    out = capfd.readouterr().out
    assert "more seeds for +-1 points: 3, 4" in out
    assert out.count("seeds for 95 % intervals") == 1  # told once, at the end
    assert row(out[out.index("seeds for 95 %") :])[3] == str(found.n)


def test_never_more_than_the_maximum(call, capfd):
    assert call("--precision", 0.1, "--max-seeds", 4) == 0
    assert seeds_run() == [0, 1, 2, 3]
    assert int(row(capfd.readouterr().out.split("seeds for 95 %")[1])[-1]) > 100


def test_the_next_call_goes_on_with_the_seeds_that_were_added(call):
    assert call("--precision", 0.1, "--max-seeds", 5) == 0
    records = {path: path.stat().st_mtime_ns for path in OUT.rglob("cell.json")}
    (OUT / "seed4/varies/detection/cell.json").unlink()  # cut off
    assert call("--precision", 0.1, "--max-seeds", 6) == 0
    assert seeds_run() == [0, 1, 2, 3, 4, 5]
    assert (OUT / "seed4/varies/detection/cell.json").exists()
    del records[OUT / "seed4/varies/detection/cell.json"]
    assert all(path.stat().st_mtime_ns == written for path, written in records.items())


def test_one_seed_becomes_three_before_anything_is_guessed(call, capfd):
    assert call("--precision", 50, "--max-seeds", 9, seeds="[7]") == 0
    # three narrow ones, then five: with fewer there is no verdict
    assert seeds_run() == [7, 8, 9, 10, 11]
    out = capfd.readouterr().out
    assert "more seeds for +-50 points: 8, 9" in out
    assert "more seeds for +-50 points: 10, 11" in out
    assert call("--precision", 50, seeds="[7]") == 0


def test_tuning_seeds_are_left_out(call):
    assert call("--precision", 50, "--max-seeds", 5, seeds="[0, 1, 2]\ntuning_seeds = [3, 5]") == 0
    assert seeds_run() == [0, 1, 2, 4, 6]


def test_a_dry_run_tells_what_is_known_and_runs_nothing(call, capfd):
    assert call("--precision", 1, "--max-seeds", 9, "--dry-run") == 0
    assert "no results yet" in capfd.readouterr().out
    assert not OUT.exists() or not list(OUT.glob("seed*"))
    assert call() == 0
    assert "seeds for 95 %" not in capfd.readouterr().out
    assert call("--precision", 1, "--max-seeds", 9, "--dry-run") == 0
    assert row(capfd.readouterr().out.split("seeds for 95 %")[1])[-1] == "7"
    assert seeds_run() == [0, 1, 2]


def test_a_failure_ends_it(call, capfd):
    failing = "varies=dict(config='{0}/b.py'), bad=dict(config='{0}/fails.py')"
    assert call("--precision", 1, "--max-seeds", 9, rungs=failing) == 2
    assert seeds_run() == [0, 1, 2]
    assert "3 cells failed" in capfd.readouterr().err


@pytest.mark.slow
def test_out_of_time_ends_it_with_75(call):
    slow = "varies=dict(config='{0}/b.py'), slow=dict(config='{0}/slow.py')"
    flags = ("--precision", 0.1, "--max-seeds", 9, "--max-minutes", 0.02)
    assert call(*flags, rungs=slow) == 75
    assert len(list(OUT.glob("seed*"))) < 9


WRONG = [
    (("--precision", 0), "--precision"),
    (("--precision", -1), "--precision"),
    (("--precision", "nan"), "--precision"),
    (("--precision", "inf"), "--precision"),
    (("--max-seeds", 9), "--max-seeds"),
    (("--precision", 1, "--max-seeds", 2), "--max-seeds"),
    (("--precision", 1, "--max-seeds", 3, "--seeds", 0, 1, 2, 3), "--max-seeds"),
    (("--precision", 1, "--cell", "seed0/varies/detection"), "--precision"),
    (("--precision", 1, "--slurm"), "--precision"),
    (("--precision", 1, "--export", "a.tar.gz"), "--precision"),
    (("--precision", 1, "--import", "a.tar.gz"), "--precision"),
]


@pytest.mark.parametrize(("flags", "where"), WRONG)
def test_wrong_flags_are_told_before_anything_is_run(call, capfd, flags, where):
    assert call(*flags) == 2
    assert where in capfd.readouterr().err
    assert not OUT.exists()


def test_one_rung_has_no_difference_to_narrow(call, capfd):
    assert call("--precision", 1, rungs="") == 2
    assert "the ladder has one rung: --precision: " in capfd.readouterr().err
    assert not OUT.exists()
