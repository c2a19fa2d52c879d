"""The one table of all benchmarks says of each row how it was measured."""

from dataclasses import asdict

from rounds import CONTROL, Comparison, Way
from suite import rows


def test_a_row_names_its_clock_and_its_threads():
    ways = [Way("theirs", [2.0]), Way(CONTROL, [2.0]), Way("ours", [1.0], "a note")]
    found = Comparison("work", 1, "run", ways, {"ours": 1.5}, "cpu")
    lines = rows({"threads": 1, "comparisons": [asdict(found)]})
    assert lines[1:] == ["| work | theirs | ours | 2.00 | 2.00 - 2.00 | 1.50 | cpu | 1 | a note |"]
