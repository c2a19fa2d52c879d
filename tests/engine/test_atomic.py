import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from bag_of_transfer.engine.atomic import replacing, write_bytes, write_json, write_text


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "a.txt"
    write_text(path, "old \u00e9")
    write_text(path, "new \u00e9")
    assert path.read_bytes() == b"new \xc3\xa9"
    assert os.listdir(path.parent) == ["a.txt"]


def test_a_failure_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"whole")

    def no_space(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_bytes(path, b"half")
    assert path.read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_json_holds_no_word_that_json_lacks(tmp_path: Path) -> None:
    obj = {
        "nan": float("nan"),
        "list": [np.float32("inf"), np.int64(3), torch.tensor(0.5)],
        "array": np.array([1.0, np.nan]),
        "path": Path("a/b"),
        "flag": True,
    }
    write_json(tmp_path / "a.json", obj)

    def refuse(word: str) -> None:
        raise AssertionError(word)

    read = json.loads((tmp_path / "a.json").read_text(), parse_constant=refuse)
    assert read == {
        "nan": None,
        "list": [None, 3, 0.5],
        "array": [1.0, None],
        "path": "a/b",
        "flag": True,
    }


def test_what_json_cannot_say_is_refused_before_writing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert os.listdir(tmp_path) == []


def test_others_may_read_the_file_as_the_umask_says(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_what_killed_processes_left_is_removed_where_a_file_is_written(tmp_path: Path) -> None:
    """A process that runs, and another machine's for an hour, may still write its file."""
    with replacing(tmp_path / "one") as mine:
        mine.touch()
        place, process = mine.name.split(".")[-2].split("-")[:2]
    assert int(process) == os.getpid()
    folder = tmp_path / "run"
    folder.mkdir()
    of_dead = f"{place}-{2**22}-0a1b2c3d"  # the largest process number on Linux is below that
    kept = {
        f".metrics.json.{place}-{os.getppid()}-0a1b2c3d.tmp",
        ".epoch_1.pth.ffffffff-1-0a1b2c3d.tmp",
        ".epoch_2.pth.123-0a1b2c3d.tmp",
        ".own.notes.tmp",
    }
    gone = {f".curve.jsonl.{of_dead}.tmp", f".a.pth.json.{of_dead}.tmp", f".x y.{of_dead}.tmp"}
    old = {".epoch_3.pth.ffffffff-1-0a1b2c3d.tmp", ".epoch_4.pth.123-0a1b2c3d.tmp"}
    for name in kept | gone | old:
        (folder / name).write_bytes(b"half")
    for name in old:
        os.utime(folder / name, (0, 0))
    write_text(folder / "a.txt", "")
    assert {path.name for path in folder.iterdir()} == kept | {"a.txt"}
