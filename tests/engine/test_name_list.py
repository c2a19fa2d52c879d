"""Lists with one name a line."""

from pathlib import Path

import pytest

from bag_of_transfer.engine.data.name_list import (
    fold,
    nearest,
    read_class_names,
    read_names,
    refuse_variants,
)
from bag_of_transfer.engine.errors import UserError


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
        (b"\n \n", "the list names no images: {}: write one name per line"),
        (b"a\nb\na\n", "names occur more than once (1, first: a): {}: keep each of them once"),
        (b"\xff\xfea\x00", "the list of images is not UTF-8 text: {}: save it as UTF-8"),
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


@pytest.mark.parametrize(
    "variant",
    [
        "ball",
        "BALL",
        "\uff22all",  # a full-width B
        "Ball\u200b",  # a zero-width blank
        "Ba\u00adll",  # a soft hyphen
        "\u2060Ball",  # a word joiner
        "Ball\u00a0",  # a blank that does not break
    ],
)
def test_variants_of_a_name_are_refused_with_both_places(variant: str) -> None:
    with pytest.raises(UserError) as caught:
        refuse_variants({"Ball": "a.xml", "box": "a.xml", variant: "b.xml"})
    assert f"'Ball' and {variant!r} differ only in case" in str(caught.value)
    assert "a.xml, b.xml: write one spelling" in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Stra\u00dfe", "STRASSE"),
        ("traffic light", "Traffic  Light"),
        ("\uff76\uff9e", "\u30ac"),  # half-width and full-width katakana
        ("e\u0301tang", "\u00e9tang"),  # two letters, or one with its accent
        ("\u2460", "1"),
    ],
)
def test_letters_that_look_alike_fold_to_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_names_that_differ_in_a_letter_are_two() -> None:
    refuse_variants(dict.fromkeys(["ball", "bald", "ba ll", "b\u00e4ll", "ball_1", "ball-1"], "a"))


def test_class_names_that_are_variants_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'cat' and 'Cat' differ only in case.*train\.txt: write"):
        read_class_names(listed(tmp_path, b"cat\ndog\nCat\n"), "make it")
    assert read_names(listed(tmp_path, b"cat\nCat\n"), "images", "make it") == ["cat", "Cat"]


def test_the_nearest_name_is_a_variant_before_any_other() -> None:
    names = ("all", "ball", "call")
    assert nearest("BALL", names) == "ball"
    assert nearest("bal", names) == "ball"
    assert nearest("zebra", names) is None
    assert nearest("zebra", names, cutoff=0) is not None
