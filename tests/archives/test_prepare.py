"""All or nothing: existing folders, killed runs, two runs at a time, and the tool itself."""

import fcntl
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest

from bag_of_transfer.archives import unpack
from bag_of_transfer.archives.catalogue import DATA_SETS
from bag_of_transfer.archives.prepare import prepare
from bag_of_transfer.archives.records import DataSet
from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.errors import RefusedError
from tests.archives.small_archives import COUNTS, files_below, write_archives

ROOT = Path(__file__).resolve().parents[2]


def test_a_complete_folder_is_left_as_it_is(
    voc: DataSet, archives: Path, target: Path, capsys: pytest.CaptureFixture
) -> None:
    prepare(voc, target, archives, target.parent)
    output = capsys.readouterr().out
    assert output.endswith(f"{target}: complete\n" + told_counts())
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    shutil.rmtree(archives)  # not even looked at
    assert prepare(voc, target, archives, target.parent) == COUNTS["voc"]
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before
    output = capsys.readouterr().out
    assert output == f"{target}: complete, left as it is\n" + told_counts()


def told_counts() -> str:
    return "".join(f"{name}: {n}, the official count\n" for name, n in COUNTS["voc"].items())


def test_what_the_user_has_there_is_never_touched(
    voc: DataSet, archives: Path, target: Path
) -> None:
    prepare(voc, target, archives, target.parent)
    (target / "VOCdevkit/VOC2007/JPEGImages/2.jpg").unlink()
    before = files_below(target)
    with pytest.raises(RefusedError, match=r"is in the folder \(VOC07 test 1 instead of 2\)"):
        prepare(voc, target, archives, target.parent)
    assert files_below(target) == before
    shutil.rmtree(target)
    target.write_text("mine")
    with pytest.raises(RefusedError, match="something else than PASCAL VOC"):
        prepare(voc, target, archives, target.parent)
    assert target.read_text() == "mine"


def test_an_empty_folder_is_filled(voc: DataSet, archives: Path, target: Path) -> None:
    target.mkdir(parents=True)
    assert prepare(voc, target, archives, target.parent) == COUNTS["voc"]
    assert files_below(target)


def in_a_fork(work: Callable[[], object]) -> int:
    """Return the exit code of a process that does ``work``; negative: the signal that ended it."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    return process.exitcode or 0


@pytest.mark.parametrize("name", ["voc", "imagenet"])
def test_killed_while_unpacking_and_called_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    data_set, archives = write_archives(name, tmp_path / "archives"), tmp_path / "archives"
    target, write = tmp_path / f"data/{name}", unpack.write_file
    written = []

    def die_at_the_seventh(path: Path, content: object) -> None:
        written.append(path)
        if len(written) == 7:
            path.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, content)

    monkeypatch.setattr(unpack, "write_file", die_at_the_seventh)
    assert in_a_fork(lambda: prepare(data_set, target, archives, tmp_path)) == -signal.SIGKILL
    assert not target.exists()
    assert len(files_below(target.parent)) == 7  # what the killed run left
    monkeypatch.setattr(unpack, "write_file", write)
    prepare(data_set, target, archives, tmp_path)
    assert "an interrupted run left files here; removed" in capsys.readouterr().out
    assert [path.name for path in target.parent.iterdir()] == [name]
    assert not [p for p in target.rglob("*") if p.is_file() and p.read_bytes() == b"half"]


def test_interrupted_by_hand_leaves_nothing(
    voc: DataSet, archives: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(path: Path, content: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(unpack, "write_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare(voc, target, archives, target.parent)
    assert not list(target.parent.iterdir())


def test_a_second_run_at_the_same_time_is_refused(
    voc: DataSet, archives: Path, target: Path
) -> None:
    other = target.with_name(".voc.unpacking")
    other.mkdir(parents=True)
    (other / "file").touch()
    handle = os.open(other, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(RefusedError, match="another run is preparing this folder"):
        prepare(voc, target, archives, target.parent)
    assert (other / "file").is_file()
    os.close(handle)
    prepare(voc, target, archives, target.parent)


def test_data_reaches_the_disk_before_the_name(
    voc: DataSet, archives: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    existed = []
    monkeypatch.setattr(os, "sync", lambda: existed.append(target.exists()))
    prepare(voc, target, archives, target.parent)
    assert existed == [False]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    spec = util.spec_from_file_location("prepare_data", ROOT / "tools/prepare_data.py")
    loaded = util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    records = {name: write_archives(name, tmp_path / name) for name in DATA_SETS}
    monkeypatch.setattr(loaded, "DATA_SETS", records)
    monkeypatch.delenv("DATA_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda *argv: run_tool(loaded.main, [str(word) for word in argv])


def test_the_tool_prepares_each_data_set(tool: Callable[..., int], tmp_path: Path) -> None:
    for name in DATA_SETS:
        assert tool(name, "--archives", tmp_path / name, "--data-root", tmp_path / "root") == 0
    assert {path.name for path in (tmp_path / "root").iterdir()} == set(DATA_SETS)


def test_the_tools_exit_codes_and_first_line(
    tool: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert tool("imagenet") == 2
    output = capsys.readouterr().err
    assert output.startswith("error: ImageNet (ILSVRC 2012) can only be downloaded by hand")
    assert len(output.splitlines()) == 1
    (tmp_path / "coco/val2017.zip").write_bytes(b"")
    assert tool("coco", "--archives", tmp_path / "coco") == 2
    assert capsys.readouterr().err.startswith("error: cut off: 0 bytes instead of ")
    (tmp_path / "data/voc").mkdir(parents=True)
    (tmp_path / "data/voc/mine").touch()
    assert tool("voc", "--archives", tmp_path / "voc") == 3
    assert capsys.readouterr().err.startswith("error: something else than PASCAL VOC")


def test_a_linked_folder_is_filled_not_replaced(tool: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "disk/large").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/voc").symlink_to(tmp_path / "disk/large")
    assert tool("voc", "--archives", tmp_path / "voc") == 0
    assert (tmp_path / "data/voc").is_symlink()
    assert (tmp_path / "disk/large/VOCdevkit/VOC2012").is_dir()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["large"]
