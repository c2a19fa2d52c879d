"""Which files are images by their suffix, and which pictures are missed for it."""

from pathlib import Path

import pytest
from PIL import Image

from engine import image_files
from engine.image_files import SUFFIXES, has_image_suffix, warn_of_passed_over


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(image_files, "print_log", lambda text, **_: lines.append(text))
    return lines


def test_suffixes_count_in_either_case_and_hidden_files_do_not() -> None:
    assert all(has_image_suffix(f"photo{suffix}") for suffix in SUFFIXES)
    assert has_image_suffix("a.b.JPG")
    for name in ("._a.jpg", ".jpg", "jpg", "a.jpg.txt", "a.ico", "a.heic"):
        assert not has_image_suffix(name)


def test_pictures_are_known_by_suffix_or_content(tmp_path: Path, said: list[str]) -> None:
    for name in (
        "a.heic",
        "b.heic",
        "c.ico",
        "d.svg",
        "notes.txt",
        "Thumbs.db",
        "x.json",
        ".d.heic",
    ):
        (tmp_path / name).write_bytes(b"anything")
    (tmp_path / "folder").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "photo.image", "JPEG")
    Image.new("RGB", (4, 4)).save(tmp_path / "photo", "PNG")
    Image.new("RGB", (4, 4)).save(tmp_path / "good.jpg")
    warn_of_passed_over(sorted(tmp_path.iterdir()), "data")
    (line,) = said
    assert line.startswith("data: passed over 6 pictures for their suffix (2 .heic, ")
    for part in ("1 .ico", "1 .svg", "1 .image", "1 no suffix", "; read are .jpg .jpeg"):
        assert part in line


def test_without_such_pictures_nothing_is_said(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(b"anything")
    (tmp_path / "a.xml").write_bytes(b"<annotation/>")
    warn_of_passed_over(sorted(tmp_path.iterdir()), "data")
    assert said == []
