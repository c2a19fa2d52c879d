"""One import name, cheap to import."""

import subprocess
import sys
from pathlib import Path

import pytest

import bag_of_transfer


def test_importing_the_package_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, bag_of_transfer; print({'torch', 'mmengine', 'numpy'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "set()\n", done.stderr


def test_offered_names_are_there_and_others_are_not() -> None:
    from bag_of_transfer.prediction import Predictor

    assert bag_of_transfer.Predictor is Predictor
    with pytest.raises(AttributeError, match="no attribute 'Predictors'"):
        bag_of_transfer.Predictors  # noqa: B018
