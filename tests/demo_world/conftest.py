"""A tiny world: the same sets with a few pictures each."""

from dataclasses import replace

import pytest

from demo_world import draw, manifest, sets


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> tuple[sets.Split, ...]:
    few = tuple(replace(split, num_pictures=5) for split in sets.SPLITS)
    for module in (sets, manifest, draw):
        monkeypatch.setattr(module, "SPLITS", few)
    return few
