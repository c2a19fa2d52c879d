"""Spoilt files at every border: each is read as what it says, or refused by name; nothing else.

``make test`` tries a few of each kind, always the same; ``make chaos`` tries many.
"""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bag_of_transfer.engine.errors import UserError
from tests.chaos.borders import BORDERS, Border

FEW, FEW_SLOW = 14, 3  # examples of each border in every test run
MANY = int(os.environ.get("CHAOS_EXAMPLES", "100"))  # and in make chaos
SECONDS = 20  # that one example may take, on a busy machine
COUNTS: Counter[str] = Counter()


@contextmanager
def bounded() -> Iterator[None]:
    """Fail where one example takes too long."""

    def too_long(*_: object) -> None:
        raise AssertionError(f"takes more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def try_one(border: Border, folder: Path, data: bytes) -> None:
    """Read a spoilt file: what it says is of the stated types, or it is named in a line."""
    path = folder / border.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    refusal = None
    try:
        with bounded():
            border.read(folder)
    except UserError as error:
        refusal = error
    COUNTS["refused" if refusal else "read"] += 1
    if refusal:
        assert path.name in str(refusal) or refusal.where == str(folder)
        assert len(str(refusal)) < 3000
        assert str(refusal).isprintable()
    assert not Path("executed").exists()


def fuzz(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, options: settings) -> None:
    border = BORDERS[name]
    monkeypatch.chdir(folder)
    border.prepare(folder)

    @options
    @given(st.data())
    def run(data: st.DataObject) -> None:
        try_one(border, folder, border.spoil(data.draw))

    run()


CHECKS = dict(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", BORDERS)
def test_a_spoilt_file_is_read_as_it_says_or_refused_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = FEW_SLOW if BORDERS[name].slow else FEW
    fuzz(name, tmp_path, monkeypatch, settings(derandomize=True, max_examples=few, **CHECKS))


@pytest.mark.chaos
@pytest.mark.parametrize("name", BORDERS)
def test_many_spoilt_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    COUNTS.clear()
    begun = time.process_time()
    fuzz(name, tmp_path, monkeypatch, settings(max_examples=MANY, print_blob=True, **CHECKS))
    seconds = round(time.process_time() - begun, 1)
    print(json.dumps({"border": name, **COUNTS, "cpu_s": seconds}))
