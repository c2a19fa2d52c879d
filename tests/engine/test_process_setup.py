"""What is global to a process is changed in one place, once, and visibly."""

import ast
from pathlib import Path

import pytest
from mmengine.device import get_device

from bag_of_transfer.engine.config.process_setup import prepare_process

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(p for top in ("backbones", "bag_of_transfer") for p in (ROOT / top).rglob("*.py"))
# Calls at the top level of a module: they add to registries by name, or prepare the process.
KNOWN = {
    "bag_of_transfer/classification/__init__.py": ["prepare_process"],
    "bag_of_transfer/detection/__init__.py": ["complete", "prepare_process"],
    "bag_of_transfer/segmentation/__init__.py": ["complete", "prepare_process"],
    "bag_of_transfer/classification/transforms.py": ["TRANSFORMS.register_module"],
    "bag_of_transfer/engine/weights/atomic_backend.py": ["register_backend"],
}


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


@pytest.mark.parametrize(("found", "used"), [("mps", "cpu"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_apples_gpu_is_not_computed_on(
    monkeypatch: pytest.MonkeyPatch, found: str, used: str
) -> None:
    monkeypatch.setattr("mmengine.device.utils.DEVICE", found)
    prepare_process()
    assert get_device() == used
