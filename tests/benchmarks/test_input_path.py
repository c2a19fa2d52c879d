"""Pipelines that are compared get the same work in every round."""

from pathlib import Path

import numpy as np
import pytest

import jpegs
from bag_of_transfer.engine.cli import ToolParser
from input_path import PIPELINES, run


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_draws_the_same_each_time(name, tmp_path):
    jpegs.draw(tmp_path, 1)
    made = []
    for _ in range(2):
        run(lambda path: made.append(np.asarray(PIPELINES[name](path))), [tmp_path / "000.jpg"])
    np.testing.assert_array_equal(*made)


def test_jpegs_are_found_by_any_spelling_of_their_suffix(tmp_path: Path) -> None:
    for name in ("b.JPEG", "a.jpg", "sub/c.JPG", "d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    names = [path.name for path in jpegs.below(tmp_path, ToolParser())]
    assert names == ["a.jpg", "b.JPEG", "c.JPG"]
