"""Bad archives, wrong folders, full disks: one clear message, and no files remain."""

import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from bag_of_transfer.archives import check, unpack
from bag_of_transfer.archives import prepare as module
from bag_of_transfer.archives.catalogue import DATA_SETS
from bag_of_transfer.archives.prepare import prepare
from bag_of_transfer.archives.records import DataSet
from bag_of_transfer.engine.errors import UserError
from tests.archives.small_archives import described, tar, write_archives

TRAINVAL12 = "VOCtrainval_11-May-2012.tar"
TRAINVAL07, TEST07 = "VOCtrainval_06-Nov-2007.tar", "VOCtest_06-Nov-2007.tar"


def refused(data_set: DataSet, target: Path, archives: Path) -> str:
    """Return the message, and check that no files remain."""
    with pytest.raises(UserError) as told:
        prepare(data_set, target, archives, target.parent / "downloads")
    assert told.value.exit_code == 2
    assert not target.parent.exists() or not list(target.parent.iterdir())
    return str(told.value)


def test_all_missing_archives_are_named(voc: DataSet, archives: Path, target: Path) -> None:
    (archives / TRAINVAL12).rename(archives / "VOCtrainval_25-May-2011.tar")
    (archives / TEST07).unlink()
    message = refused(voc, target, archives)
    assert f"missing ({TEST07}, {TRAINVAL12}; VOCtrainval_25-May-2011.tar is another rel" in message
    assert message.endswith(f": {archives}: get them from http://host.robots.ox.ac.uk/pascal/VOC/")


def test_a_folder_of_archives_that_cannot_be_read(voc: DataSet, target: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    assert "cannot be read (No such file or directory)" in refused(voc, target, tmp_path / "no")
    assert "cannot be read (Not a directory)" in refused(voc, target, tmp_path / "file")


def test_an_archive_that_cannot_be_read(voc: DataSet, archives: Path, target: Path) -> None:
    (archives / TEST07).unlink()
    (archives / TEST07).mkdir()
    assert f"cannot be read (Is a directory): {archives / TEST07}" in refused(voc, target, archives)


@pytest.mark.parametrize("keep", [0, 1, 3000, -1])
def test_a_cut_archive_is_told_by_its_size(
    voc: DataSet, archives: Path, target: Path, keep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archives / TRAINVAL12
    path.write_bytes(path.read_bytes()[:keep])
    monkeypatch.setattr(module, "unpack", None)  # before anything is unpacked
    size = voc.archives[2].size
    message = refused(voc, target, archives)
    assert f"cut off: {path.stat().st_size:,} bytes instead of {size:,}: {path}" in message


def test_voc_2007_under_the_name_of_2012_is_told_by_its_content(
    voc: DataSet, archives: Path, target: Path
) -> None:
    shutil.copy(archives / TRAINVAL07, archives / TRAINVAL12)
    message = refused(voc, target, archives)
    assert "of another release, it holds VOCdevkit/VOC2007/" in message
    assert "not VOCdevkit/VOC2012/" in message


def test_an_official_file_under_another_ones_name_is_told_by_its_size(
    voc: DataSet, archives: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "DATA_SETS", {"voc": voc})
    shutil.copy(archives / TEST07, archives / TRAINVAL07)
    message = refused(voc, target, archives)
    assert f"of another release, by its size {TEST07}: " in message


def test_another_release_is_told_without_size_and_hash(
    voc: DataSet, archives: Path, target: Path
) -> None:
    shutil.copy(archives / TRAINVAL07, archives / TRAINVAL12)
    unknown = tuple(replace(a, size=None, digest=None) for a in voc.archives)
    message = refused(replace(voc, archives=unknown), target, archives)
    assert "of another release: it holds VOCdevkit/VOC2007/" in message


def test_a_wrong_byte_leaves_nothing(voc: DataSet, archives: Path, target: Path) -> None:
    path = archives / TEST07
    path.write_bytes(path.read_bytes().replace(b"image 2", b"imagg 2"))
    assert "md5 checksum" in refused(voc, target, archives)


def test_other_counts_leave_nothing(voc: DataSet, archives: Path, target: Path) -> None:
    more = replace(voc, counts=dict(voc.counts) | {"VOC07 test": 3})
    message = refused(more, target, archives)
    assert "other counts than the official ones (VOC07 test 2 instead of 3)" in message


def test_small_archives_do_not_pass_for_the_official_ones(
    archives: Path, target: Path, tmp_path: Path
) -> None:
    assert "instead of 460,032,000" in refused(DATA_SETS["voc"], target, archives)


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize("missing", [0, 1])
def test_the_disk_must_hold_a_fifth_more_than_the_archives(
    voc: DataSet, archives: Path, target: Path, missing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = sum(path.stat().st_size for path in archives.iterdir())
    free = sizes * 6 // 5 - missing
    asked = []
    monkeypatch.setattr(
        check.shutil, "disk_usage", lambda path: asked.append(Path(path)) or Usage(0, 0, free)
    )
    if missing:
        monkeypatch.setattr(module, "unpack", None)
        message = refused(voc, target, archives)
        assert "B are needed (1.2 times the archives' size)" in message
    else:
        prepare(voc, target, archives, target.parent)
    assert asked[0].parent == target.parent  # the disk of the target, not of the archives


def test_a_download_needs_room_for_the_archives_too(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = 460_032_000 + 451_020_800 + 1_999_639_040
    part = tmp_path / "downloads" / f"{TEST07}.part"
    part.parent.mkdir()
    part.write_bytes(bytes(1000))
    free = int(packed * 1.2) + packed - 1001
    monkeypatch.setattr(check.shutil, "disk_usage", lambda path: Usage(0, 0, free))
    monkeypatch.setattr(module, "download", None)
    with pytest.raises(UserError, match=r"6\.4 GB are needed .*and the archives\), 6\.4 GB are"):
        prepare(DATA_SETS["voc"], target, None, tmp_path / "downloads")


def test_a_full_disk_in_the_middle_is_one_clear_line(
    voc: DataSet, archives: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(unpack, "write_file", full)
    assert "cannot read or write (No space left on device)" in refused(voc, target, archives)


def test_places_with_a_hash_of_its_own_but_other_lists(tmp_path: Path) -> None:
    data_set = write_archives("places365", tmp_path / "archives")
    lists = tar({"categories_places365.txt": b"/a/airfield 0\n"})
    (tmp_path / "archives/filelist_places365-standard.tar").write_bytes(lists)
    data_set = described(data_set, tmp_path / "archives", data_set.counts)
    message = refused(data_set, tmp_path / "data/places365", tmp_path / "archives")
    assert "not those of Places365-Standard" in message
    assert "places365_val.txt" in message
