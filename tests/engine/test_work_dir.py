"""A work dir that is moved, removed or replaced in mid-run is told at the next write."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.plain_files import mend_of
from bag_of_transfer.engine.run.work_dir import WorkDirWatch


@pytest.fixture
def watched(tmp_path: Path) -> tuple[Path, WorkDirWatch]:
    folder, watch = tmp_path / "run", WorkDirWatch()
    folder.mkdir()
    watch.before_train(SimpleNamespace(work_dir=str(folder), hooks=[]))
    return folder, watch


def replace(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))
    folder.mkdir()


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (lambda folder: folder.rename(folder.with_name("moved")), "the work dir has vanished"),
        (lambda folder: folder.rmdir(), "the work dir has vanished"),
        (lambda folder: folder.rmdir() or folder.write_text(""), "no longer that of the start"),
        (replace, "no longer that of the start"),
    ],
)
def test_each_point_at_which_something_is_written_looks_first(watched, do, words) -> None:
    folder, watch = watched
    points = (
        lambda: watch.after_train_iter(None, 49),
        lambda: watch.before_save_checkpoint(None, {}),
        lambda: watch.after_train_epoch(None),
        lambda: watch.after_val_epoch(None),
    )
    for look in points:
        look()
    do(folder)
    for look in points:
        with pytest.raises(UserError, match=words) as told:
            look()
        assert told.value.where == str(folder)
    watch.after_train_iter(None, 48)  # nothing is written there


def test_an_error_of_a_file_is_explained_by_the_folder_that_has_gone(watched) -> None:
    folder, watch = watched
    with pytest.raises(FileNotFoundError), watch.explaining():
        (folder / "some" / "log.json").open("w")
    watch.before_train(SimpleNamespace(work_dir=str(folder), hooks=[]))
    folder.rmdir()
    with pytest.raises(UserError, match="the work dir has vanished"), watch.explaining():
        (folder / "log.json").open("w")


def test_a_picture_whose_folder_has_gone_is_told_from_one_that_is_missing(tmp_path: Path) -> None:
    assert mend_of(tmp_path / "a.png") == "mend or remove it"
    gone = tmp_path / "data"
    assert f"its folder {gone} is gone" in mend_of(gone / "images" / "a.png")
