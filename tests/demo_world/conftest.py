"""A tiny demo world: the same data sets with a few pictures each."""

import multiprocessing
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.demo_world import draw, manifest, sets

SEED, NUM_PICTURES = 3, 3
draw_each_once = cache(sets.Split.draw)


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(replace(split, num_pictures=NUM_PICTURES) for split in sets.SPLITS)
    for module in (sets, manifest, draw):
        monkeypatch.setattr(module, "SPLITS", few)


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


class SameProcess:
    """Do the work of a pool here: to fork the libraries takes longer than to draw the pictures."""

    def imap(self, job: Callable[..., Any], jobs: Iterable[Any], chunksize: int) -> Iterator[Any]:
        assert chunksize > 0
        return map(job, jobs)


@contextmanager
def same_process(num_processes: int, initializer: Callable[[], None]) -> Iterator[SameProcess]:
    assert num_processes > 0
    assert callable(initializer)
    yield SameProcess()


@pytest.fixture
def pictures_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw each picture of a seed once for all tests, in this process."""
    monkeypatch.setattr(draw, "Pool", same_process)
    monkeypatch.setattr(sets.Split, "draw", draw_each_once)


@pytest.fixture
def forked(pictures_drawn_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw in real processes for a test whose neighbours do not."""
    monkeypatch.setattr(draw, "Pool", multiprocessing.Pool)
    monkeypatch.setattr(sets.Split, "draw", draw_each_once.__wrapped__)


@pytest.fixture(scope="session")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "demo"
    with pytest.MonkeyPatch.context() as monkeypatch:
        shrink(monkeypatch)
        draw.draw_world(folder, SEED, golden=None, num_processes=2)
    return folder


@pytest.fixture
def world(few_pictures: None, drawn_once: Path, tmp_path: Path) -> Path:
    """Return a folder ``demo``, alone in its parent, that a test may change."""
    return Path(shutil.copytree(drawn_once, tmp_path / "data/demo"))
