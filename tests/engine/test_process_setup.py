"""What is global to a process is changed in one place, once, and visibly."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(p for top in ("backbones", "bag_of_transfer") for p in (ROOT / top).rglob("*.py"))
# Calls at the top level of a module: they add to registries by name, or prepare the process.
KNOWN = {
    "bag_of_transfer/classification/__init__.py": ["prepare_process"],
    "bag_of_transfer/detection/__init__.py": ["complete", "prepare_process"],
    "bag_of_transfer/segmentation/__init__.py": ["complete", "prepare_process"],
    "bag_of_transfer/classification/transforms.py": ["TRANSFORMS.register_module"],
    "bag_of_transfer/engine/checkpoint_hook.py": ["register_backend"],
}
# In one process, since torch takes seconds to import; prints what each part has changed.
SCRIPT = """
import os, sys, warnings
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
import bag_of_transfer.engine.training, bag_of_transfer.engine.evaluation
import bag_of_transfer.engine.process_setup, bag_of_transfer.ladder.report.write
import bag_of_transfer.transfer.config.apply, bag_of_transfer.transfer.export
import bag_of_transfer.demo_world.prepare, bag_of_transfer.archives.prepare
show_changes(before)

import bag_of_transfer.detection
assert CheckpointLoader._schemes[""] is bag_of_transfer.engine.checkpoints.load_for_mmengine
assert MODULE2PACKAGE["mmseg"] == "mmseg"
show_changes(before)

import mmdet.models, mmseg.models
import bag_of_transfer.prediction
warnings.filterwarnings("ignore", message="of the user")
before = state()
bag_of_transfer.engine.process_setup.prepare_process()
import bag_of_transfer.segmentation.heads, bag_of_transfer.detection.metrics
import bag_of_transfer.detection.datasets
show_changes(before)
"""


@pytest.fixture(scope="module")
def changes() -> list[str]:
    """Return what SCRIPT prints of its three parts, run in a process of its own."""
    words = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("changed:")]


def calls_at_import(path: Path) -> list[str]:
    """Names of what a module's top level calls as a statement, or assigns elsewhere."""
    found = []
    for node in ast.parse(path.read_text()).body:
        inner = ast.walk(node) if isinstance(node, (ast.For, ast.While, ast.With)) else [node]
        for part in inner:
            if isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
                found.append(ast.unparse(part.value.func))
            if isinstance(part, ast.Assign):
                targets = [t for t in part.targets if isinstance(t, (ast.Attribute, ast.Subscript))]
                found += map(ast.unparse, targets)
    return found


def test_only_known_modules_call_something_when_they_are_imported() -> None:
    found = {str(path.relative_to(ROOT)): calls_at_import(path) for path in MODULES}
    assert len(found) >= 200
    assert {path: calls for path, calls in found.items() if calls} == KNOWN


def test_importing_modules_below_the_tasks_changes_nothing_global(changes: list[str]) -> None:
    assert changes[0] == "changed:"


def test_one_package_is_enough_for_mmdets_own_tools(changes: list[str]) -> None:
    assert changes[1] == "changed: mmcv._ext packages loader filters"


def test_a_second_call_changes_nothing_nor_does_a_module_of_a_task(changes: list[str]) -> None:
    assert changes[2] == "changed:"
