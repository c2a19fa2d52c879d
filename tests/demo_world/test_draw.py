"""Drawing a folder: all or nothing; tried with three pictures per split."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bag_of_transfer.demo_world import draw, manifest
from bag_of_transfer.demo_world.sets import Split
from bag_of_transfer.engine.errors import RefusedError, UserError

pytestmark = pytest.mark.usefixtures("few_pictures", "pictures_drawn_once")


def wrong(folder: Path, seed: int = 3, golden: dict | None = None) -> str:
    return draw.check_world(folder, seed, golden, num_processes=1)[1]


def siblings(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir())


@pytest.mark.usefixtures("forked")
def test_a_drawn_world_is_complete_and_alone(world: Path) -> None:
    checked, complaint = draw.check_world(world, seed=3, golden=None, num_processes=1)
    assert complaint == ""
    assert checked == manifest.read_manifest(world / "manifest.json")
    assert siblings(world) == ["demo"]
    assert len(list(world.rglob("*.png"))) == 3 * (2 + 3 + 2 * 3)


@pytest.mark.usefixtures("forked")
def test_number_of_processes_does_not_matter(world: Path, tmp_path: Path) -> None:
    alone = draw.draw_world(tmp_path / "other", seed=3, golden=None, num_processes=1)
    assert alone == manifest.read_manifest(world / "manifest.json")


def test_another_seed_draws_other_pictures(world: Path, tmp_path: Path) -> None:
    other = draw.draw_world(tmp_path / "other", seed=4, golden=None, num_processes=2)
    ours = manifest.read_manifest(world / "manifest.json")["splits"]
    assert len(ours) == 8
    assert all(ours[key]["sha256"] != split["sha256"] for key, split in other["splits"].items())
    assert wrong(world, seed=4) == "its seed is 3"


def test_a_changed_pixel_is_found(world: Path) -> None:
    path = world / "segmentation/SegmentationClass/val_0002.png"
    pixels = np.array(Image.open(path))
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    assert wrong(world) == "segmentation/val differs from picture 0 on"


def test_a_picture_packed_differently_is_the_same(world: Path) -> None:
    path = world / "detection/JPEGImages/val_0002.png"
    before = path.read_bytes()
    Image.open(path).save(path, compress_level=9)
    assert path.read_bytes() != before
    assert wrong(world) == ""


def test_a_changed_annotation_is_found(world: Path) -> None:
    path = world / "detection/Annotations/test_0002.xml"
    path.write_text(path.read_text().replace("<difficult>0", "<difficult>1"))
    assert wrong(world) == "detection/test differs from picture 0 on"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("manifest.json", "no manifest.json"),
        ("segmentation/classes.txt", "segmentation/classes.txt is missing"),
        ("detection/JPEGImages/val_0001.png", "detection/JPEGImages/val_0001.png is missing"),
    ],
)
def test_a_missing_file_is_found(world: Path, name: str, complaint: str) -> None:
    (world / name).unlink()
    assert wrong(world) == complaint


def test_a_file_too_many_is_found(world: Path) -> None:
    name = next((world / "classification/train").iterdir()).name
    (world / f"classification/train/{name}/mine.png").write_bytes(b"x")
    assert wrong(world) == f"classification/train/{name}/mine.png is not one of ours"


def test_a_damaged_picture_is_found(world: Path) -> None:
    path = world / "detection/JPEGImages/val_0001.png"
    path.write_bytes(path.read_bytes()[:200])
    assert wrong(world).startswith("a picture cannot be read")


def test_a_changed_list_is_found(world: Path) -> None:
    with (world / "detection/ImageSets/Main/test.txt").open("a") as file:
        file.write("val_0001\n")
    assert wrong(world) == "detection/ImageSets/Main/test.txt was changed"


def test_a_world_that_an_older_version_drew_is_found(world: Path) -> None:
    golden = manifest.read_manifest(world / "manifest.json")
    golden["splits"]["detection/val"]["sha256"] = "0" * 64
    assert wrong(world, golden=golden) == "detection/val differs from picture 0 on"


def test_an_incomplete_world_is_replaced(world: Path) -> None:
    (world / "manifest.json").unlink()
    (world / "detection/JPEGImages/val_0001.png").unlink()
    draw.draw_world(world, seed=3, golden=None, num_processes=2)
    assert wrong(world) == ""
    assert siblings(world) == ["demo"]


@pytest.mark.parametrize("name", ["holiday.jpg", "coco/a.json", "detection/JPEGImages/own.png"])
def test_someone_elses_file_is_refused_and_left(world: Path, name: str) -> None:
    (world / name).parent.mkdir(exist_ok=True)
    (world / name).write_bytes(b"mine")
    (world / "manifest.json").unlink()
    with pytest.raises(RefusedError, match=f"not drawn by this tool .{name}."):
        draw.draw_world(world, seed=3, golden=None, num_processes=1)
    assert (world / name).read_bytes() == b"mine"
    assert siblings(world) == ["demo"]


def test_a_file_in_the_way_is_refused_and_left(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(RefusedError):
        draw.draw_world(tmp_path / "demo", seed=0, golden=None, num_processes=1)
    assert (tmp_path / "demo").read_text() == "mine"


def test_other_pixels_than_committed_leave_nothing(world: Path, tmp_path: Path) -> None:
    golden = manifest.read_manifest(world / "manifest.json")
    golden["splits"]["segmentation/test"]["every_20"] = ["0" * 16]
    folder = tmp_path / "new/demo"
    with pytest.raises(RuntimeError, match="segmentation/test differs from picture 0 on"):
        draw.draw_world(folder, seed=3, golden=golden, num_processes=2)
    assert list(folder.parent.iterdir()) == []


@pytest.mark.usefixtures("forked")
def test_a_failure_half_way_leaves_the_old_world(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture = draw.write_picture

    def fail_at_the_last(root: Path, split: Split, index: int, seed: int) -> bytes:
        if (split.key, index) == ("segmentation/test", 2):
            raise OSError(28, "No space left on device")
        return write_picture(root, split, index, seed)

    monkeypatch.setattr(draw, "write_picture", fail_at_the_last)
    with pytest.raises(UserError, match=r"No space left on device.*100 MB free"):
        draw.draw_world(world, seed=5, golden=None, num_processes=2)
    assert wrong(world) == ""
    assert siblings(world) == ["demo"]


def test_a_place_that_cannot_be_written_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(UserError, match="cannot write the pictures"):
        draw.draw_world(tmp_path / "data/demo", seed=0, golden=None, num_processes=1)


def test_what_a_killed_drawing_left_is_swept_later(world: Path) -> None:
    old, young = (world.with_name(f".demo.{number}.drawing") for number in (1, 2))
    for folder in (old, young):
        (folder / "detection").mkdir(parents=True)
    two_hours_ago = time.time() - 7200
    os.utime(old, (two_hours_ago, two_hours_ago))
    draw.draw_world(world, seed=3, golden=None, num_processes=1)
    assert siblings(world) == [young.name, "demo"]
