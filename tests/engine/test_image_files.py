"""Which files are images by their suffix, and which pictures are missed for it."""

from pathlib import Path

import pytest
from PIL import Image

from bag_of_transfer.engine.data import image_files
from bag_of_transfer.engine.data.image_files import (
    SUFFIXES,
    files_below,
    has_image_suffix,
    warn_of_passed_over,
)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(image_files, "warn", lines.append)
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
    assert line.startswith("data: passed over 6 pictures for the suffix (2 .heic, ")
    for part in (
        "1 .ico",
        "1 .svg",
        "1 .image",
        "1 no suffix",
        "; suffixes read: .jpg .jpeg",
    ):
        assert part in line


def test_without_such_pictures_nothing_is_said(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(b"anything")
    (tmp_path / "a.xml").write_bytes(b"<annotation/>")
    warn_of_passed_over(sorted(tmp_path.iterdir()), "data")
    assert said == []


def test_hidden_folders_do_not_count_and_links_are_followed_once(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    for path in ("root/sub/1.jpg", "root/.ipynb_checkpoints/1-checkpoint.jpg", "other/2.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (root / "sub/up").symlink_to(root)  # without end
    (root / "link").symlink_to(other)
    assert list(files_below(root)) == [root / "link/2.jpg", root / "sub/1.jpg"]


def test_files_come_in_the_order_of_sorted_paths(tmp_path: Path) -> None:
    for name in ("b/a/1.jpg", "b/a.jpg", "b/a-1.jpg", "b/a/.x.jpg", "B.jpg", "b.jpg", "b-1/é.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files = list(files_below(tmp_path))
    assert files == sorted(path for path in tmp_path.rglob("[!.]*.jpg"))
    assert len(files) == 6
