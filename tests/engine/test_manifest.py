"""A checkpoint that differs from its manifest is refused; no kill makes a whole one differ."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import CheckpointLoader

from bag_of_transfer.engine.config.process_setup import prepare_process
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.manifest import remove_checkpoint, write_checkpoint
from bag_of_transfer.engine.run_files import manifest_of
from bag_of_transfer.engine.weights.checkpoints import load_checkpoint

LONG = json.dumps({"sha256": "0" * 64, "bytes": 1, "notes": "x" * 2**16})


def data_of(value: float) -> bytes:
    stream = io.BytesIO()
    hub: dict[str, Any] = {}
    torch.save({"state_dict": {"a": torch.tensor(value)}, "message_hub": hub}, stream)
    return stream.getvalue()


def value_in(path: Path) -> float:
    return float(load_checkpoint(path)["state_dict"]["a"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "best.pth", data_of(1.0), {"epoch": 1})
    return tmp_path / "best.pth"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    printer = "bag_of_transfer.engine.manifest.print_log"
    monkeypatch.setattr(printer, lambda text, logger=None, level=0: lines.append(text))
    return lines


@pytest.mark.parametrize("call", range(6))
def test_a_kill_at_any_step_of_saving_leaves_a_whole_checkpoint(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    calls = 0

    def counted(real: Any) -> Any:
        def step(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > call:
                raise KeyboardInterrupt
            return real(*args, **options)

        return step

    # In this order: sync both new files, remove the old manifest, move the file, the manifest.
    for owner, name in ((os, "fsync"), (Path, "unlink"), (os, "replace")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(path, data_of(2.0), {})
    monkeypatch.undo()
    assert value_in(path) == (1.0 if call < 4 else 2.0)
    write_checkpoint(path, data_of(3.0), {})
    assert value_in(path) == 3.0
    assert manifest_of(path).is_file()


@pytest.mark.parametrize("place", [0, 100, -200, -1])
def test_one_flipped_bit_is_an_error_that_says_what_differs(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    prepare_process()
    for read in (load_checkpoint, CheckpointLoader.load_checkpoint):
        with pytest.raises(
            UserError, match=r"is damaged \(SHA-256 \w{12}\.\.\., written with"
        ) as caught:
            read(str(path))
        assert caught.value.exit_code == 2
        assert "remove best.pth.json" in caught.value.mend


def test_a_cut_file_is_told_by_its_size(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match=r"is damaged \(\d+ bytes of \d+\)"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "manifest",
    [None, "", "{", "[]", '{"sha256": 3, "bytes": 4}', "{}", pytest.param(LONG, id="long")],
)
def test_a_file_without_a_usable_manifest_is_read_and_one_line_says_so(
    path: Path, said: list[str], manifest: str | None
) -> None:
    if manifest is None:
        manifest_of(path).unlink()
    else:
        manifest_of(path).write_text(manifest)
    assert value_in(path) == value_in(path) == 1.0
    assert said == ["best.pth has no manifest beside it: its bytes are not checked"]


def test_others_weights_need_no_manifest(path: Path, said: list[str]) -> None:
    torch.save({"a": torch.ones(1)}, path)
    manifest_of(path).unlink()
    load_checkpoint(path)
    assert said == []


def test_a_run_may_write_a_checkpoint_while_it_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest is read before the file, so it may be that of the file before."""
    reader = "bag_of_transfer.engine.manifest.sha256_of"
    real: list[str] = []

    def read_late(file: Path) -> str:
        if not real:
            write_checkpoint(path, data_of(2.0), {})
        real.append(json.loads(manifest_of(file).read_text())["sha256"])
        return real[-1]

    monkeypatch.setattr(reader, read_late)
    assert value_in(path) == 2.0
    assert len(real) == 2


def test_a_checkpoint_goes_with_its_manifest(path: Path) -> None:
    remove_checkpoint(path)
    remove_checkpoint(path)
    assert list(path.parent.iterdir()) == []
