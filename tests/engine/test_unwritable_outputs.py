"""An output that cannot be written: exit 2 and one line that names it."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.engine import atomic
from bag_of_transfer.engine.cli import run_tool


def told(capsys: pytest.CaptureFixture[str], do: Any) -> tuple[int, str]:
    def main(argv: Any) -> int:
        do()
        return 0

    code = run_tool(main, [])
    return code, capsys.readouterr().err.splitlines()[0]


def raises(error: BaseException, behind: bool = False) -> Any:
    def do() -> None:
        if not behind:
            raise error
        try:
            raise error
        except OSError as cause:
            raise RuntimeError("file write failed") from cause

    return do


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.ENOSPC, "free space, or name another folder"),
        (errno.EDQUOT, "free space, or name another folder"),
        (errno.EFBIG, "raise the limit of a file's size (ulimit -f), or name another folder"),
        (errno.EROFS, "get permission to write there, or name another folder"),
        (errno.EACCES, "get permission to write there, or name another folder"),
        (errno.EPERM, "get permission to write there, or name another folder"),
        (
            errno.ENOTDIR,
            "a file is in a folder's place, or the reverse; name another folder",
        ),
        (
            errno.EEXIST,
            "a file is in a folder's place, or the reverse; name another folder",
        ),
        (
            errno.EISDIR,
            "a file is in a folder's place, or the reverse; name another folder",
        ),
    ],
)
def test_it_is_the_users_error_and_named(
    capsys: pytest.CaptureFixture[str], number: int, mend: str, behind: bool
) -> None:
    error = OSError(number, os.strerror(number), "out/model.pth")
    what = os.strerror(number).lower()
    assert told(capsys, raises(error, behind)) == (2, f"error: {what}: out/model.pth: {mend}")


def test_a_full_disk_is_told_without_a_name_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = told(capsys, raises(OSError(errno.ENOSPC, "No space left on device")))
    assert (code, line.split(": ")[1:3]) == (2, ["no space left on device", "an output"])


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOENT, "No such file", "inner.json"),  # ours: a file that should be there
        OSError(errno.EACCES, "Permission denied"),  # of a socket, say
        OSError("cannot write mode P"),
    ],
)
def test_other_failures_stay_internal(capsys: pytest.CaptureFixture[str], error: OSError) -> None:
    code, line = told(capsys, raises(error))
    assert code == 1
    assert line.startswith("error: internal failure")


def test_an_error_that_was_dealt_with_is_not_the_cause(capsys: pytest.CaptureFixture[str]) -> None:
    def do() -> None:
        try:
            raise OSError(errno.EACCES, "Permission denied", "cache.json")
        except OSError:
            raise RuntimeError("broken") from None

    assert told(capsys, do)[0] == 1


def test_a_file_in_the_folders_place_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("")
    for path in (tmp_path / "out/m.json", tmp_path / "out/deeper/m.json"):
        code, line = told(capsys, lambda path=path: atomic.write_json(path, {}))
        assert code == 2
        assert str(tmp_path / "out") in line
    (tmp_path / "folder").mkdir()
    code, line = told(capsys, lambda: atomic.write_text(tmp_path / "folder", "text"))
    assert code == 2
    assert f": {tmp_path / 'folder'}: " in line


def test_a_full_disk_names_the_target_not_the_temporary_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    code, line = told(capsys, lambda: atomic.write_text(tmp_path / "m.json", "text"))
    mend = "free space, or name another folder"
    assert (code, line) == (2, f"error: no space left on device: {tmp_path / 'm.json'}: {mend}")


def test_an_error_without_a_number_keeps_its_words(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"^cannot write mode P$"),
        atomic.replacing(tmp_path / "a.png"),
    ):
        raise OSError("cannot write mode P")


def test_a_read_only_disk_names_the_target_though_tidying_up_fails_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *args: object, **more: object) -> None:
        raise OSError(errno.EROFS, "read-only file system", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match="read-only") as error:
        atomic.write_text(tmp_path / "metrics.json", "{}")
    assert error.value.filename == str(tmp_path / "metrics.json")
