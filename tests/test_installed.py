"""The installed wheel: what it holds, what importing it changes, whose modules it finds."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# In one process, since torch takes seconds to import; prints what each part has changed.
SCRIPT = """
import inspect, os, sys, warnings
import cv2, matplotlib, scipy.stats, timm.layers, torchvision  # what these change is not ours
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.runner import CheckpointLoader

def state():
    return {
        "environment": dict(os.environ),
        "mmcv._ext": str(sys.modules.get("mmcv._ext")),
        "packages": dict(MODULE2PACKAGE),
        "loader": CheckpointLoader._schemes[""],
        "filters": list(warnings.filters),
    }

def show_changes(before):
    print("changed:", *(name for name, value in state().items() if value != before[name]))

before = state()
import bag_of_transfer.engine.run.training, bag_of_transfer.engine.run.evaluation
import bag_of_transfer.engine.config.process_setup, bag_of_transfer.ladder.report.write
import bag_of_transfer.transfer.config.apply, bag_of_transfer.transfer.export
import bag_of_transfer.demo_world.draw, bag_of_transfer.archives.prepare
show_changes(before)

import bag_of_transfer.detection
assert CheckpointLoader._schemes[""] is bag_of_transfer.engine.weights.checkpoints.load_for_mmengine
assert MODULE2PACKAGE["mmseg"] == "mmseg"
show_changes(before)

import mmdet.models, mmseg.models
import bag_of_transfer.prediction.predictor
warnings.filterwarnings("ignore", message="of the user")
before = state()
bag_of_transfer.engine.config.process_setup.prepare_process()
import bag_of_transfer.segmentation.heads, bag_of_transfer.detection.metrics
import bag_of_transfer.detection.datasets
show_changes(before)
print("file:", inspect.getfile(bag_of_transfer.Predictor))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy by links: building leaves folders beside the sources."""
    folder = tmp_path_factory.mktemp("sources")
    for path in ROOT.iterdir():
        if path.name not in {"build", "dist"} and not path.name.endswith(".egg-info"):
            (folder / path.name).symlink_to(path)
    build = "import sys; from setuptools import build_meta as b; print(b.build_wheel(sys.argv[1]))"
    out = folder / "wheels"
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", build, str(out)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = out.iterdir()
    return wheel


def test_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "tools"}
    assert top == packages
    assert "bag_of_transfer/ladder/report/templates/page.html.j2" in names
    assert "bag_of_transfer/pages/templates/base.html.j2" in names
    assert "bag_of_transfer/data_checks/page/templates/data.html.j2" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("installed")


@pytest.fixture(scope="module")
def said(wheel: Path, folder: Path) -> list[str]:
    """Return what SCRIPT prints in a venv of its own, which sees this one's libraries.

    It runs in another folder, which has modules of common names.
    """
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    (packages,) = folder.glob("venv/lib/python3*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "libraries.pth").write_text("\n".join(libraries))

    project = folder / "project"
    project.mkdir()
    for name in ("engine", "detection", "transfer", "prediction", "segmentation", "ladder"):
        (project / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    done = subprocess.run(
        [str(folder / "venv/bin/python"), "-c", SCRIPT],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith(("changed:", "file:"))]


@pytest.mark.slow
def test_it_works_beside_modules_of_common_names(said: list[str], folder: Path) -> None:
    (packages,) = folder.glob("venv/lib/python3*/site-packages")
    assert said[3] == f"file: {packages / 'bag_of_transfer/prediction/predictor.py'}"


@pytest.mark.slow
def test_importing_modules_below_the_tasks_changes_nothing_global(said: list[str]) -> None:
    assert said[0] == "changed:"


@pytest.mark.slow
def test_one_package_is_enough_for_mmdets_own_tools(said: list[str]) -> None:
    assert said[1] == "changed: mmcv._ext packages loader filters"


@pytest.mark.slow
def test_a_second_call_changes_nothing_nor_does_a_module_of_a_task(said: list[str]) -> None:
    assert said[2] == "changed:"
