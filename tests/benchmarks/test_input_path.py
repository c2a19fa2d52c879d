"""Pipelines that are compared get the same work in every round."""

import numpy as np
import pytest

from drawn_jpegs import draw
from input_path import PIPELINES, run


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_draws_the_same_each_time(name, tmp_path):
    draw(tmp_path, 1)
    made = []
    for _ in range(2):
        run(lambda path: made.append(np.asarray(PIPELINES[name](path))), [tmp_path / "000.jpg"])
    np.testing.assert_array_equal(*made)
