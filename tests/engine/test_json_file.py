"""JSON files as people damage them: each is told in one line, or counts as absent."""

from pathlib import Path

import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import (
    parse_json,
    read_json,
    read_json_lines,
    read_json_or_none,
)

DAMAGED = {
    "cut": (b'{"a": 1', "not JSON"),
    "empty": (b"", "not JSON"),
    "deep_objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper than 100"),
    "deep_lists": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 100"),
    "rather_deep": (b'{"a":' * 200 + b"1" + b"}" * 200, "nested deeper than 100"),
    "latin_1": ('{"a": "\u00e9"}'.encode("latin-1"), "not UTF-8"),
    "utf_16": ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
    "zeros": (bytes(64), "not JSON"),
    "a_key_twice": (b'{"a": {"b": 1, "b": 2}}', "'b' is given twice"),
    "nan": (b'{"a": NaN}', "NaN"),
    "infinity": (b'{"a": [-Infinity]}', "-Infinity"),
    "a_list": (b"[1]", "holds a list, not an object"),
    "a_number": (b"5", "not an object"),
    "null": (b"null", "not an object"),
    "half_a_letter": (b'{"a": "\\ud800"}', "half a letter"),
    "a_long_number": (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_with_its_mend(tmp_path: Path, name: str) -> None:
    data, told = DAMAGED[name]
    path = tmp_path / "card.json"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_json(path, "write it again")
    what, where, mend = str(caught.value).split(": ")
    assert told in what
    assert (where, mend) == (str(path), "write it again")
    assert read_json_or_none(path) is None


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_json(tmp_path, "give a file")
    assert read_json_or_none(tmp_path / "none.json") is None


@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf"])
def test_a_sound_file_is_read_with_and_without_a_byte_order_mark(
    tmp_path: Path, begin: bytes
) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(begin + '{"a": "\u00e9 \U0001f600 \\ud83d\\ude00"}'.encode())
    assert read_json(path, "") == {"a": "\u00e9 \U0001f600 \U0001f600"}


def test_what_nests_less_than_the_limit_is_read() -> None:
    value = parse_json(b'{"a":' * 99 + b"1" + b"}" * 99, "f", "")
    for _ in range(99):
        value = value["a"]
    assert value == 1


def test_a_line_that_a_crash_cut_is_left_out_and_others_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "curve.jsonl"
    path.write_text('{"epoch": 1}\n\n{"epoch": NaN}\n{"ep')
    assert len(read_json_lines(path, "", cut_short=True)) == 2
    with pytest.raises(UserError, match=r"curve\.jsonl:4"):
        read_json_lines(path, "")
    path.write_text('{"ep\n{"epoch": 2}\n')
    with pytest.raises(UserError, match=r"curve\.jsonl:1"):
        read_json_lines(path, "", cut_short=True)
