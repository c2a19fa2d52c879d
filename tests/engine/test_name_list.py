"""Lists with one name a line."""

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.name_list import read_names


def listed(folder: Path, content: bytes) -> Path:
    path = folder / "train.txt"
    path.write_bytes(content)
    return path


def test_blank_lines_spaces_and_a_byte_order_mark_do_not_count(tmp_path: Path) -> None:
    content = "\ufeffä 1\r\n\n  b/c \n".encode()
    assert read_names(listed(tmp_path, content), "images", "make it") == ["ä 1", "b/c"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\n \n", "the list names no images: {}: write one name a line"),
        (b"a\nb\na\n", "1 names stand there twice (first: a): {}: leave one of them"),
        (b"\xff\xfea\x00", "the list of images is no UTF-8 text: {}: write it again"),
    ],
)
def test_what_is_no_list_of_names_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    path = listed(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_names(path, "images", "make it")
    assert str(caught.value) == said.format(path)


def test_a_missing_list_is_told_with_its_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^no such list of images: .*none\.txt: make it$"):
        read_names(tmp_path / "none.txt", "images", "make it")
