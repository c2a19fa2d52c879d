"""Finding images, and a different name for each picture."""

from pathlib import Path

import pytest
from PIL import Image

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.prediction.inputs import check_alone, find_images
from bag_of_transfer.prediction.picture_names import name_pictures


@pytest.fixture
def draw(tmp_path: Path):
    def make(*names: str) -> None:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            kind = "PNG" if name.endswith("png") else "JPEG"
            Image.new("RGB", (4, 3)).save(tmp_path / name, kind)

    return make


def names_of(tmp_path: Path, *inputs: str) -> dict[str, str]:
    images = find_images([tmp_path / one for one in inputs], tmp_path / "out")
    names = name_pictures(images)
    return {
        one.path.relative_to(tmp_path).as_posix(): n for one, n in zip(images, names, strict=True)
    }


def test_a_folder_means_its_images_those_in_sub_folders_too(tmp_path: Path, draw) -> None:
    draw("in/b.jpg", "in/a.PNG.png", "in/deep/er/a.jpeg", "in/.hidden.png", "in/.git/c.png")
    (tmp_path / "in/notes.txt").write_text("no image")
    assert names_of(tmp_path, "in") == {
        "in/a.PNG.png": "a.PNG",
        "in/b.jpg": "b",
        "in/deep/er/a.jpeg": "deep/er/a",
    }


def test_like_names_are_told_apart(tmp_path: Path, draw) -> None:
    draw("in/a.jpg", "in/a.png", "in/A.jpeg", "in/a_png.jpg", "in/b.png", "x/b.png", "y/b.png")
    assert names_of(tmp_path, "in") == {
        "in/A.jpeg": "A_jpeg",
        "in/a.jpg": "a_jpg",
        "in/a.png": "a_png",
        "in/a_png.jpg": "a_png_2",
        "in/b.png": "b",
    }
    assert names_of(tmp_path, "x", "y") == {"x/b.png": "x/b", "y/b.png": "y/b"}
    assert names_of(tmp_path, "x/b.png", "y/b.png") == {"x/b.png": "b_png", "y/b.png": "b_png_2"}


def test_a_picture_is_never_named_like_a_mask(tmp_path: Path, draw) -> None:
    draw("in/a.jpg", "in/masks/a.jpg")
    names = names_of(tmp_path, "in")
    assert names["in/a.jpg"] == "a"  # its mask is masks/a
    assert names["in/masks/a.jpg"] == "masks/a_2"


def test_videos_are_found_beside_images(tmp_path: Path, draw) -> None:
    draw("in/a.jpg")
    for name in ("in/a.MP4", "in/deep/b.avi", "in/.c.mp4", "in/d.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    images = find_images([tmp_path / "in"], tmp_path / "out")
    assert [(one.path.name, one.is_video) for one in images] == [
        ("a.MP4", True),
        ("a.jpg", False),
        ("b.avi", True),
    ]
    assert name_pictures(images) == ["a_MP4", "a_jpg", "deep/b"]


def test_an_image_given_twice_is_one(tmp_path: Path, draw) -> None:
    draw("in/a.jpg", "in/b.jpg")
    assert list(names_of(tmp_path, "in/b.jpg", "in", "in")) == ["in/b.jpg", "in/a.jpg"]


def test_pictures_of_an_earlier_call_are_no_input(tmp_path: Path, draw) -> None:
    draw("in/a.jpg", "in/out/a.png", "in/out/masks/a.png", "in/output/c.png")
    images = find_images([tmp_path / "in"], tmp_path / "in/out")
    assert [one.path.relative_to(tmp_path).as_posix() for one in images] == [
        "in/a.jpg",
        "in/output/c.png",
    ]
    above = find_images([tmp_path / "in/out"], tmp_path / "in")  # what is asked for is taken
    assert len(above) == 2


def test_missing_and_empty_inputs_are_errors(tmp_path: Path, draw) -> None:
    with pytest.raises(UserError, match=r"no such file or folder: .*nowhere\.jpg"):
        names_of(tmp_path, "nowhere.jpg")
    for name in ("https://example.org/a.jpg", "rtsp://camera", "0", "-"):
        with pytest.raises(UserError, match=r"no such file or folder: .*: save it as a file first"):
            find_images([Path(name)])
    (tmp_path / "empty/sub").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no image in the folder: .*empty"):
        names_of(tmp_path, "empty")
    with pytest.raises(UserError, match=r"among the images: .*empty: name another --out-dir"):
        find_images([tmp_path / "empty"], tmp_path / "empty")


def test_a_single_image_must_be_readable_and_of_several_one_may_be_broken(
    tmp_path: Path, draw
) -> None:
    draw("in/a.jpg")
    (tmp_path / "in/bad.jpg").write_bytes((tmp_path / "in/a.jpg").read_bytes()[:-100])
    (tmp_path / "text.pdf").write_text("no image")
    (tmp_path / "clip.mp4").write_text("no video")
    check_alone(find_images([tmp_path / "in"], tmp_path / "out"))
    check_alone(find_images([tmp_path / "in/a.jpg", tmp_path / "in/bad.jpg"], tmp_path / "out"))
    for name, why in (
        ("in/bad.jpg", "image can't be read .*[Tt]runcated"),
        ("text.pdf", "image can't be read .*not an image"),
        ("clip.mp4", "video can't be read .*not a video"),
    ):
        with pytest.raises(UserError, match=f"{why}.*{name}"):
            check_alone(find_images([tmp_path / name], tmp_path / "out"))


def test_a_pattern_that_the_shell_left_alone_is_what_it_matches(tmp_path: Path, draw) -> None:
    draw("in/a.jpg", "in/b.png", "in/deep/c.jpg", "in/d[1].jpg")
    assert list(names_of(tmp_path, "in/*.jpg")) == ["in/a.jpg", "in/d[1].jpg"]
    assert list(names_of(tmp_path, "in/**/[a-c].*")) == ["in/a.jpg", "in/b.png", "in/deep/c.jpg"]
    assert list(names_of(tmp_path, "in/d[1].jpg")) == ["in/d[1].jpg"]  # a name comes first
    with pytest.raises(UserError, match=r"no file matches the pattern: .*\*\.gif"):
        names_of(tmp_path, "in/*.gif")


def test_a_list_names_images_folders_and_patterns(tmp_path: Path, draw, monkeypatch) -> None:
    draw("in/a.jpg", "in/sub/a.png", "in/sub/b.png", "more/c.jpg", "here/d.jpg", "here/\u00e9.jpg")
    lines = ["a.jpg", "", "  sub ", "a.jpg", "../more/*.jpg", "here/d.jpg", "here/e\u0301.jpg"]
    lines += [str(tmp_path / "more/c.jpg")]
    (tmp_path / "in/list.TXT").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    monkeypatch.chdir(tmp_path)
    found = name_pictures(find_images([tmp_path / "in/list.TXT"]))
    names = ["in/a", "in/sub/a", "in/sub/b", "more/c", "here/d", "here/\u00e9"]
    assert found == names


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b"a.jpg\n\nb.jpg\n", r"no such file or folder \(b.jpg\): .*l.txt, line 3: paths start at"),
        (b"*.gif\n", r"no file matches the pattern \(\*.gif\): .*l.txt, line 1: "),
        (b"a.jpg\nempty\n", r"no image in the folder \(.*empty\): .*l.txt, line 2: put .jpg"),
        (b"a.jpg\nl.txt\n", r"a list in a list \(.*l.txt\): .*l.txt, line 2: give it as an input"),
        (b"a.jpg\nb\0.jpg\n", r"no such file or folder \(b.*\): .*l.txt, line 2: "),
        (b"a" * 5000, r"no such file or folder \(a+\.\.\.a+\): .*l.txt, line 1: "),
        (b" \n\n", r"the list names no images: .*l.txt: write one name per line"),
        (b"\xff\xd8\xff\xe0JFIF", r"the list of images is not UTF-8 text: .*l.txt: "),
    ],
    ids=["missing", "pattern", "empty folder", "list", "null", "long", "blank", "no text"],
)
def test_a_wrong_line_of_a_list_is_named(tmp_path: Path, draw, lines: bytes, said: str) -> None:
    draw("a.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "l.txt").write_bytes(lines)
    with pytest.raises(UserError, match=said):
        find_images([tmp_path / "l.txt"])


def test_nothing_takes_the_place_of_a_video_or_of_its_masks(tmp_path: Path, draw) -> None:
    draw("x/Clip.mp4/1.jpg", "x/masks/clip.mp4/2.jpg", "x/other.mp4/3.jpg")
    (tmp_path / "clip.mp4").touch()
    assert list(names_of(tmp_path, "clip.mp4", "x").values()) == [
        "clip",
        "Clip.mp4_2/1",
        "masks/clip.mp4_2/2",
        "other.mp4/3",
    ]


def test_no_picture_lies_among_objects_that_were_cut_out(tmp_path: Path, draw) -> None:
    draw("in/crops/cat/a_1.jpg", "in/crops.jpg", "in/Crops/b.jpg", "in/crops_2/b.jpg")
    names = names_of(tmp_path, "in")
    assert names["in/crops.jpg"] == "crops"
    assert names["in/crops/cat/a_1.jpg"] == "crops_2/cat/a_1"
    assert len({name.lower() for name in names.values()}) == 4
    assert not [name for name in names.values() if name.lower().startswith("crops/")]
