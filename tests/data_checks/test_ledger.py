"""What an earlier look has seen is kept, also by two at once, and is used only while it holds."""

import copy
import json
import os
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bag_of_transfer.data_checks.files import File, Seen, look_at_files
from bag_of_transfer.data_checks.ledger import LEDGER, Entry, Ledger
from bag_of_transfer.data_checks.look import Look, look_at_picture


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{number}.jpg")
    return folder


def look(folder: Path, inspect: object = look_at_picture) -> dict[str, Seen]:
    ledger = Ledger(folder)
    paths = sorted(folder.glob("*.jpg"))
    return {
        p.name: seen for p, seen in look_at_files({p: File(inspect, ledger) for p in paths}).items()
    }


def never(path: Path, data: bytes) -> Look:
    raise AssertionError(f"{path} is decoded again")


def flip_a_bit(path: Path) -> None:
    """Change a byte in the middle, and neither size nor time of change."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_file_is_decoded_once(folder: Path) -> None:
    first = look(folder)
    assert look(folder, never) == first
    assert len(Ledger(folder)) == 3
    os.utime(folder / "0.jpg", (1, 1))  # copied: other time, same bytes
    assert not look(folder, never)["0.jpg"].is_changed
    assert Ledger(folder).valid_entry(folder / "0.jpg") is not None


def test_a_flipped_bit_is_found_each_time_until_the_file_is_restored_or_touched(
    folder: Path,
) -> None:
    path = folder / "1.jpg"
    whole = path.read_bytes()
    before = look(folder)["1.jpg"].entry
    flip_a_bit(path)
    for _ in range(2):
        seen = look(folder)
        assert [name for name, each in seen.items() if each.entry.flipped] == ["1.jpg"]
        assert seen["1.jpg"].entry.look == before.look
    assert Ledger(folder).valid_entry(path).flipped  # known at the next start
    path.write_bytes(whole)
    assert not look(folder, never)["1.jpg"].entry.flipped
    flip_a_bit(path)
    assert look(folder)["1.jpg"].entry.flipped
    path.touch()
    seen = look(folder)["1.jpg"]
    assert seen.is_changed
    assert not seen.entry.flipped


def test_a_changed_file_is_not_known_until_it_is_looked_at(folder: Path) -> None:
    look(folder)
    (folder / "2.jpg").write_bytes((folder / "1.jpg").read_bytes())
    assert Ledger(folder).valid_entry(folder / "2.jpg") is None
    assert look(folder)["2.jpg"].is_changed
    (folder / "2.jpg").unlink()
    assert Ledger(folder).valid_entry(folder / "2.jpg") is None


def test_where_data_cannot_be_written_the_cache_is_used(folder: Path, cache: Path) -> None:
    (folder / LEDGER).mkdir()  # fails for root, too
    look(folder)
    assert len(list(cache.rglob("*.json"))) == 1
    look(folder, never)


def test_of_two_ledgers_the_entry_counts_that_is_of_the_file(folder: Path, cache: Path) -> None:
    def looked(blocked: bool) -> None:
        if blocked:
            (folder / LEDGER).mkdir()
        look(folder)
        if blocked:
            (folder / LEDGER).rmdir()
        look(folder, never)

    looked(blocked=True)  # in the cache
    (folder / "0.jpg").write_bytes((folder / "1.jpg").read_bytes())
    looked(blocked=False)  # the change is in the folder's ledger
    (folder / LEDGER).rename(folder / "aside")
    (folder / "1.jpg").write_bytes((folder / "2.jpg").read_bytes())
    looked(blocked=True)  # and this one in the cache
    (folder / "aside").rename(folder / LEDGER)
    look(folder, never)
    assert len(Ledger(folder)) == 3


def test_an_interrupted_look_goes_on_where_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bag_of_transfer.engine.data.image_scan.CHUNK", 1)
    monkeypatch.setattr("bag_of_transfer.engine.data.image_scan.share_of_cores", lambda: 1)
    decoded: list[str] = []

    def interrupted(path: Path, data: bytes) -> Look:
        decoded.append(path.name)
        if path.name == "2.jpg":
            raise KeyboardInterrupt
        return look_at_picture(path, data)

    with pytest.raises(KeyboardInterrupt):
        look(folder, interrupted)
    assert decoded == ["0.jpg", "1.jpg", "2.jpg"]
    decoded.clear()
    with pytest.raises(KeyboardInterrupt):
        look(folder, interrupted)
    assert decoded == ["2.jpg"]


@pytest.mark.parametrize(
    "damage",
    [
        *("", "[1, 2", '{"schema": 2, "files": {"0.jpg": [1]}}', '{"schema": 1, "files": [1]}'),
        *('{"schema": 1}', '{"schema": 1, "files": {"0.jpg": 5, "1.jpg": [], "2.jpg": null}}'),
    ],
)
def test_a_damaged_ledger_is_made_anew(folder: Path, damage: str) -> None:
    first = look(folder)
    (folder / LEDGER).write_text(damage)
    assert look(folder) == first
    look(folder, never)


def test_an_entry_with_a_wrong_field_does_not_count(folder: Path) -> None:
    look(folder)
    whole = json.loads((folder / LEDGER).read_text())
    for field, value in product(range(10), [None, -1.5, [[]], {"a": 1}, "zz"]):
        content = copy.deepcopy(whole)
        content["files"]["0.jpg"][field] = value
        (folder / LEDGER).write_text(json.dumps(content))
        is_text = field in (2, 3, 4) and value == "zz"  # any text may be a hash
        assert (Ledger(folder).entry(folder / "0.jpg") is not None) == is_text


def _note(folder: Path, first: int) -> None:
    for number in range(first, first + 5):
        ledger = Ledger(folder)
        ledger.note(folder / f"{number}.jpg", Entry(1, 2, Look("ab")))
        ledger.save()


def test_two_processes_keep_what_the_other_has_written(folder: Path) -> None:
    fork = get_context("fork")
    processes = [fork.Process(target=_note, args=(folder, first)) for first in (0, 100)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(Ledger(folder)) == 10
    assert not list(folder.glob(".*.tmp"))


def test_a_name_that_is_not_utf_8_is_kept(folder: Path) -> None:
    os.rename(folder / "0.jpg", os.fsencode(folder) + b"/\xff.jpg")
    look(folder)
    look(folder, never)
