"""Names that are not UTF-8: told with escapes, before anything is written under them."""

import os
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from bag_of_transfer.classification.image_folder import ImageFolder, class_folders
from bag_of_transfer.engine.data.file_names import FileFinder
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.prediction.inputs import find_images

ODD = "na\udcefve"  # how Python shows the byte EF of a Latin-1 name


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40)).save(path, "PNG")
    return path


def test_a_class_of_such_a_name_is_refused_printably(tmp_path: Path) -> None:
    picture(tmp_path / ODD / "a.png")
    with pytest.raises(UserError, match=r"name of a class is not UTF-8: .*na\\udcefve: rename it"):
        class_folders(tmp_path)


def test_an_image_of_such_a_name_is_trained_on(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "data" / "b" / f"{ODD}.png")
    data = ImageFolder("data", [])
    assert os.fsencode(data.path(0)).endswith(b"na\xefve.png")


@pytest.mark.parametrize("name", [f"{ODD}.png", f"{ODD}/a.png"])
def test_an_image_of_such_a_name_is_not_predicted(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "photos" / name)
    with pytest.raises(UserError, match=r"name of an image is not UTF-8: .*udcef.*: rename it"):
        find_images([tmp_path / "photos"], tmp_path / "out")


def test_files_are_found_by_names_that_other_systems_write(tmp_path: Path) -> None:
    split, joined = (unicodedata.normalize(form, "na\u00efve") for form in ("NFD", "NFC"))
    there = picture(tmp_path / split / f"{split} 1.png")
    finder = FileFinder()
    assert finder.find(tmp_path, f"{joined}/{joined} 1.png") == there
    assert finder.find(tmp_path, f"{split}\\{split} 1.png") == there
    assert finder.find(tmp_path / split, f"..\\{joined}\\{joined} 1.png").samefile(there)
    assert finder.find(tmp_path, f"{joined}/na%C3%AFve%201.png") == there
    odd = picture(tmp_path / "100%25.png")
    assert finder.find(tmp_path, odd.name) == finder.find(tmp_path, "100%2525.png") == odd
    for name in (
        f"{joined} 1.png",
        "a%00.png",
        "100%.png",
        "C:\\a.png",
        "x" * 300,
        joined,
        f"{joined}/{joined} 1.PNG",
    ):
        assert finder.find(tmp_path, name) is None
    assert finder.nearly(tmp_path, f"{split}\\{split} 1.PNG") == there.name


def test_the_end_of_a_path_of_another_machine_is_found(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "b.png")
    finder = FileFinder()
    for name in ("/home/bob/a/b.png", "D:\\bob\\a\\b.png", "../upload/a/b.png"):
        assert finder.tail(tmp_path, name) == "a/b.png"
    assert finder.tail(tmp_path, "/home/bob/b.png") is None
