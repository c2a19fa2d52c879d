"""Durations, rates and sizes: at most three digits and a unit, or two units."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from bag_of_transfer.engine.quantities import amount, counted, duration, few, figure, rate, size

ROOT = Path(__file__).resolve().parents[2]
SHOWN = re.compile(r"\}\s?(img/s|MB|MiB|GB|GiB|kB|min|h)\b|:\.\df\} s\b|/ 60:\.|1e[69]:\.")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0 s"), (0.0004, "0 s"), (0.1234, "0.12 s"), (4.31, "4.3 s"), (9.96, "10 s")),
        *((31.6, "32 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (725, "12 min 5 s")),
        *((3599.4, "59 min 59 s"), (3599.6, "1 h 0 min"), (11220, "3 h 7 min")),
        *(
            (86399, "23 h 59 min"),
            (86399.6, "1 d 0 h"),
            (172800, "2 d 0 h"),
            (100 * 86400.0, "100 d 0 h"),
        ),
    ],
)
def test_durations_as_people_write_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("per_second", "text"),
    [
        *((0, "0 img/s"), (0.0456, "0.0456 img/s"), (4.556, "4.56 img/s"), (123.4, "123 img/s")),
        *((999.4, "999 img/s"), (999.6, "1 k img/s"), (1234, "1.23 k img/s"), (2e6, "2 M img/s")),
    ],
)
def test_rates_have_three_digits_at_most(per_second: float, text: str) -> None:
    assert rate(per_second, "img") == text


def test_a_rate_of_nothing_named() -> None:
    assert (rate(0.25), rate(2000)) == ("0.25/s", "2 k/s")


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        *((512, "512 B"), (45.6e6, "45.6 MB"), (999.7e6, "1 GB"), (1.234e9, "1.23 GB")),
        *((5e12, "5 TB"), (2e15, "2000 TB")),
    ],
)
def test_sizes_have_three_digits_at_most(num_bytes: float, text: str) -> None:
    assert size(num_bytes) == text


def test_no_other_file_formats_them() -> None:
    files = [*(ROOT / "bag_of_transfer").rglob("*.py"), *(ROOT / "tools").glob("*.py")]
    lines = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in files
        for line in path.read_text().splitlines()
        if SHOWN.search(line)
    ]
    assert len(files) > 200
    assert not lines


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (950, "950"), (999.7, "1 k"), (12345, "12.3 k"), (5.24e9, "5.24 G")],
)
def test_an_amount_has_three_digits_at_most(number: float, text: str) -> None:
    assert amount(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 classes"), (1, "1 class"), (12345, "12,345 classes")]
)
def test_a_number_stands_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "class", "classes") == text
    assert counted(number, "image") == text.replace("classes", "images").replace("class", "image")


def test_a_metric_that_is_undefined_is_no_number() -> None:
    assert [figure(value) for value in (0.0, 99.996, -1, float("nan"))] == [
        *("0.00", "100.00", "-", "-")
    ]


@pytest.mark.parametrize(
    ("things", "text"),
    [
        ((), ""),
        (("a",), "a"),
        (("a", 2, "c"), "a, 2, c"),
        (("a", 2, "c", "d"), "a, 2, c and 1 more"),
        (range(10), "0, 1, 2 and 7 more"),
    ],
)
def test_of_many_things_the_first_are_named_and_the_others_counted(
    things: Sequence[object], text: str
) -> None:
    assert few(things, 3) == text
