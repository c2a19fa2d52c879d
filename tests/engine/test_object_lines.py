"""Where an object stands in its file, in the formats that have a file per image."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bag_of_transfer.engine.data.object_lines import lines_of_objects

XML = """<annotation xmlns:v="a">
  <object><name>a</name></object>
  <size/>
  <v:Object>
    <name>object</name>
    <part><name>b</name></part>
  </v:Object><object/>
</annotation>
"""
TEXT = "\ufeff0 0.5 0.5 0.1 0.1\r\n\r\n1 0.5 0.5 0.1 0.1\r\n"


@pytest.mark.parametrize(
    ("name", "text", "numbers", "lines"),
    [
        ("a.xml", XML, [0, 1, 2], [2, 4, 7]),
        ("a.XML", XML, [2, 0], [7, 2]),
        ("a.xml", XML, [0, 3], []),
        ("a.txt", TEXT, [1, 0], [3, 1]),
        ("a.txt", TEXT, [2], []),
        ("a.txt", TEXT, [0, -1], []),
        ("a.json", "{}", [0], []),
    ],
)
def test_lines_of_objects(
    tmp_path: Path, name: str, text: str, numbers: Sequence[int], lines: Sequence[int]
) -> None:
    file = tmp_path / name
    file.write_bytes(text.encode())
    assert lines_of_objects(file, numbers) == lines
