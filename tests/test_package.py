"""One import name: cheap to import, and deaf to modules of a user's own with common names."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

import bag_of_transfer

ROOT = Path(__file__).parents[1]
COMMON = ("engine", "detection", "transfer", "prediction", "segmentation", "classification")


def run(code: str, folder: Path, python: str = sys.executable) -> str:
    done = subprocess.run([python, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, bag_of_transfer; print({'torch', 'mmengine', 'numpy'} & set(sys.modules))"
    assert run(code, tmp_path) == "set()"


def test_offered_names_are_there_and_others_are_not() -> None:
    from bag_of_transfer.prediction import Predictor

    assert bag_of_transfer.Predictor is Predictor
    with pytest.raises(AttributeError, match="no attribute 'Predictors'"):
        bag_of_transfer.Predictors  # noqa: B018


def test_an_installed_wheel_works_beside_modules_of_common_names(tmp_path: Path) -> None:
    """The wheel in a venv of its own, which sees this one's libraries, run from another folder."""
    for path in ROOT.iterdir():  # a copy by links: building leaves folders beside the sources
        if path.name not in {"build", "dist", "work_dirs"} and not path.name.endswith(".egg-info"):
            (tmp_path / path.name).symlink_to(path)
    build = "import sys; from setuptools import build_meta as b; print(b.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, "wheels"], cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "wheels").iterdir()

    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    (packages,) = home.glob("lib/python3*/site-packages")
    unpack = [sys.executable, "-m", "zipfile", "-e", str(wheel), str(packages)]
    subprocess.run(unpack, check=True)
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "libraries.pth").write_text("\n".join(libraries))

    project = tmp_path / "project"
    project.mkdir()
    for name in COMMON:
        (project / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    code = "import inspect, bag_of_transfer as b; print(inspect.getfile(b.Predictor))"
    found = run(code, project, str(home / "bin/python"))
    assert found == str(packages / "bag_of_transfer/prediction/predictor.py")
