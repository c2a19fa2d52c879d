"""What every benchmark shares: rounds in turn, ratios to a reference, tables."""

import json
from itertools import count, pairwise, permutations

import pytest

from rounds import CONTROL, compare, has_peer, main, table


def order_of(names, rounds):
    """Return the ways in the order in which they ran, the unmeasured runs first."""
    order = []
    compare("work", {name: lambda name=name: order.append(name) for name in names}, rounds=rounds)
    assert order[: len(names)] == list(names)
    return order[len(names) :]


def test_each_way_runs_once_a_round_and_follows_every_other():
    order = order_of("abcd", rounds=50)
    by_round = [order[at : at + 5] for at in range(0, len(order), 5)]
    assert all(sorted(names) == [*"aabcd"] for names in by_round)
    assert {names[0] for names in by_round} == {*"abcd"}
    assert {*pairwise(order)} == {*permutations("abcd", 2)}  # and none itself
    assert order == order_of("abcd", rounds=50)


def test_few_ways_stand_between_the_reference_and_its_control():
    assert order_of("ab", rounds=3) == [*"aba"] * 3
    assert ("a", "a") not in pairwise(order_of("abc", rounds=50))
    ticks = count()
    found = compare("work", {name: lambda: float(next(ticks)) for name in "ab"}, rounds=20)
    reference, control, _ = found.ways
    first = [a < b for a, b in zip(reference.seconds, control.seconds, strict=True)]
    assert {*first} == {True, False}


def test_a_ratio_compares_seconds_of_one_round():
    values = {"slow": [1.0, 4.0, 4.0, 8.0, 8.0], "fast": [1.0, 2.0, 2.0]}
    drawn = {name: iter(seconds) for name, seconds in values.items()}
    found = compare("work", {name: drawn[name].__next__ for name in values}, rounds=2)
    assert [way.name for way in found.ways] == ["slow", CONTROL, "fast"]
    assert found.ratios(found.ways[2]) == [2.0, 4.0]


def test_the_table_shows_median_spread_and_target():
    seconds = {"a": iter([1.0, *[6.0] * 6]), "b": iter([1.0, 1.0, 2.0, 3.0])}
    ways = {name: drawn.__next__ for name, drawn in seconds.items()}
    found = compare("work", ways, rounds=3, work=12, unit="image", targets={"b": 2.5})
    assert "| b | 6 | 2 | 3.00 | 2.00 - 6.00 | 2.50 |  |" in table([found])


def test_the_json_file_says_command_commit_and_machine(tmp_path, monkeypatch, capsys):
    file = tmp_path / "found.json"
    monkeypatch.setattr("sys.argv", ["/somewhere/work.py", "--rounds", "2", "--json", str(file)])
    main("Doc.", lambda args: [compare("work", {"a": lambda: 1.0}, rounds=args.rounds)])
    document = json.loads(file.read_text())
    assert document["command"] == f"python benchmarks/work.py --rounds 2 --json {file}"
    assert {"commit", "cores", "processor", "instructions", "threads", "torch"} <= set(document)
    assert document["comparisons"][0]["ways"][0] == {"name": "a", "seconds": [1.0] * 2, "note": ""}
    assert "**work**" in capsys.readouterr().out


@pytest.mark.parametrize(("package", "found"), [("json", True), ("no_such_peer", False)])
def test_a_peer_that_is_not_installed_is_left_out_with_a_line(package, found, capsys):
    assert has_peer(package) is found
    assert ("left out" in capsys.readouterr().err) is not found
