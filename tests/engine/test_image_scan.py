"""Unreadable images: found by a full decode, counted, named, left out or refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from bag_of_transfer.engine.data import image_scan
from bag_of_transfer.engine.data.image_scan import (
    find_unreadable,
    image_facts,
    leave_out,
    limited_scans,
    num_glanced,
    scan_files,
)
from bag_of_transfer.engine.errors import UserError


@pytest.fixture(autouse=True)
def scan_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(image_scan, "SCAN_DIR", tmp_path / "scans")
    return tmp_path / "scans"


def draw(path: Path, width: int = 97, height: int = 65, **options: object) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def cut(path: Path, keep: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> list[Path]:
    """Three images that can be read between four that can't."""
    good = [draw(tmp_path / name) for name in ("a.jpg", "c.png", "e.jpg")]
    truncated = cut(draw(tmp_path / "b.jpg"), 0.6)
    (tmp_path / "d.jpg").touch()
    (tmp_path / "f.jpg").write_text("<html>404 not found</html>")
    bad = [truncated, tmp_path / "d.jpg", tmp_path / "f.jpg", tmp_path / "gone.jpg"]
    return sorted(good + bad)


def test_each_unreadable_image_is_found_with_its_reason(mixed: list[Path]) -> None:
    found = {path.name: why for path, why in find_unreadable(mixed).items()}
    assert list(found) == ["b.jpg", "d.jpg", "f.jpg", "gone.jpg"]
    assert "truncated" in found["b.jpg"]
    assert found["d.jpg"] == "empty file"
    assert found["f.jpg"] == "not an image"
    assert found["gone.jpg"] == "no such file"


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png"])
def test_a_cut_image_is_found_though_its_header_is_whole(tmp_path: Path, name: str) -> None:
    path = cut(draw(tmp_path / name), 0.6)
    assert Image.open(path).size == (97, 65)
    assert list(find_unreadable([path])) == [path]


def test_pillows_switch_for_truncated_images_is_off_during_the_scan_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = cut(draw(tmp_path / "cut.jpg"), 0.6)
    assert list(find_unreadable([path])) == [path]
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_more_unreadable_images_than_allowed_stop_the_run(mixed: list[Path]) -> None:
    with pytest.raises(UserError) as stopped:
        leave_out(find_unreadable(mixed), len(mixed), 3, "data/mine")
    line = str(stopped.value)
    assert line.startswith("4 of 7 images can't be read (first: b.jpg: image file is truncated")
    assert line.endswith("): data/mine: mend them or raise max_unreadable (now 3)")


def test_as_many_as_allowed_are_left_out_and_named(
    mixed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(image_scan, "warn", said.append)
    left_out = leave_out(find_unreadable(mixed), len(mixed), 4, "data/mine")
    assert {path.name for path in left_out} == {"b.jpg", "d.jpg", "f.jpg", "gone.jpg"}
    assert len(said) == 1
    assert said[0].startswith("data/mine: left out 4 of 7 images that can't be read: b.jpg (")
    assert all(path.name in said[0] for path in left_out)


def test_readable_images_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_scan, "warn", lambda _: pytest.fail("spoke"))
    assert leave_out(find_unreadable([draw(tmp_path / "a.png")]), 1, 0, "x") == set()


def test_sizes_are_those_after_exif_rotation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    plain = draw(tmp_path / "plain.jpg", 97, 65)
    turned = draw(tmp_path / "turned.jpg", 97, 65, exif=exif)
    facts = image_facts([plain, turned])
    assert facts[plain] == ("", 97, 65)
    assert facts[turned] == ("", 65, 97)


def counting(seen: list[str]):
    def inspect(path: Path) -> list[str]:
        seen.append(path.name)
        return ["bad" if path.name.startswith("bad") else "", path.read_text()]

    return inspect


def test_a_second_run_reads_only_what_changed_or_failed(tmp_path: Path) -> None:
    names = [*(f"{i}.txt" for i in range(100)), "bad.txt"]
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.write_text("old")
    first, second = [], []
    found = scan_files(paths, counting(first), "test")
    assert list(found) == paths
    assert sorted(first) == sorted(names)
    paths[7].write_text("newer")  # another size
    os.utime(paths[9], ns=(0, 12345))  # another time
    found = scan_files(paths, counting(second), "test")
    assert sorted(second) == ["7.txt", "9.txt", "bad.txt"]
    assert found[paths[7]] == ["", "newer"]
    assert found[paths[8]] == ["", "old"]


def test_another_kind_of_scan_has_its_own_memory(tmp_path: Path) -> None:
    path = tmp_path / "1.txt"
    path.write_text("text")
    for kind in ("one", "two"):
        seen: list[str] = []
        scan_files([path], counting(seen), kind)
        assert seen == ["1.txt"]


def test_two_datasets_of_one_folder_share_a_memory(tmp_path: Path, scan_dir: Path) -> None:
    paths = [tmp_path / f"{i}.txt" for i in range(4)]
    for path in paths:
        path.write_text("x")
    scan_files(paths[:2], counting([]), "test")
    scan_files(paths[2:], counting([]), "test")
    seen: list[str] = []
    scan_files(paths, counting(seen), "test")
    assert seen == []
    assert [file.suffix for file in scan_dir.iterdir()] == [".json"]  # no part left behind


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null"])
def test_a_broken_memory_is_made_anew(tmp_path: Path, scan_dir: Path, content: str) -> None:
    path = draw(tmp_path / "a.png")
    find_unreadable([path])
    (store,) = scan_dir.iterdir()
    store.write_text(content)
    assert find_unreadable([path]) == {}
    assert json.loads(store.read_text())


def test_a_memory_that_cannot_be_written_is_no_error(tmp_path: Path, scan_dir: Path) -> None:
    scan_dir.write_text("a file where the folder should be")
    assert find_unreadable([draw(tmp_path / "a.png")]) == {}


def test_an_interrupted_scan_keeps_what_it_has(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i:03}.txt" for i in range(200)]
    for path in paths:
        path.write_text("x")

    def interrupted(path: Path) -> list[str]:
        if path is paths[150]:
            raise KeyboardInterrupt
        return ["", "x"]

    with pytest.raises(KeyboardInterrupt):
        scan_files(paths, interrupted, "test")
    seen: list[str] = []
    scan_files(paths, counting(seen), "test")
    assert "150.txt" in seen
    assert "000.txt" not in seen


def test_never_more_threads_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("bag_of_transfer.engine.cores.CGROUP_TIMES", ())
    assert image_scan.share_of_cores() == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # two ranks share the machine
    assert image_scan.share_of_cores() == 4
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "16")
    assert image_scan.share_of_cores() == 1


def test_a_bar_is_shown_for_many_images_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    monkeypatch.setattr(image_scan, "QUIET_BELOW", 3)
    monkeypatch.setattr(
        image_scan, "track", lambda pairs, text, total: shown.append(total) or pairs
    )
    paths = [draw(tmp_path / f"{i}.png") for i in range(4)]
    find_unreadable(paths[:3])
    assert shown == []
    find_unreadable([draw(path) for path in paths])  # drawn anew: four to decode
    assert shown == [4]


def test_a_scan_without_time_reads_headers_of_the_rest(tmp_path: Path, scan_dir: Path) -> None:
    paths = [draw(tmp_path / f"{number}.png", 17, 11) for number in range(40)]
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    paths += [
        draw(tmp_path / "turned.jpg", 30, 20, exif=exif),
        cut(draw(tmp_path / "cut.jpg"), 0.6),
    ]
    paths.append(tmp_path / "gone.jpg")
    whole = image_facts(paths)
    for cache in scan_dir.iterdir():
        cache.unlink()
    with limited_scans(1e-9):
        facts = image_facts(paths)
        left = num_glanced()
        assert 0 < left < len(paths)  # one chunk was decoded
        assert image_facts(paths[::-1]) == facts
        assert num_glanced() == left  # a header is read once, and counted once
    assert list(facts) == paths
    assert facts[paths[-1]].error == "no such file"
    assert {path: fact for path, fact in facts.items() if path.name != "cut.jpg"} == {
        path: fact for path, fact in whole.items() if path.name != "cut.jpg"
    }
    assert facts[tmp_path / "turned.jpg"][1:] == (20, 30)
    assert image_facts(paths)[tmp_path / "cut.jpg"].error  # later scans are not limited
