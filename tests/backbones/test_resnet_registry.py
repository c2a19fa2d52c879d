"""One class, seen from all three tasks, that knows none of them."""

import ast
import sys
from pathlib import Path

import pytest
from mmengine.registry import MODELS, DefaultScope

import backbones

NAMES = ["ResNetA", "ResNetB", "ResNetC", "ResNetD"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("library", ["mmengine", "mmseg", "mmdet"])
def test_name_means_our_class_in_every_registry(library, name):
    if library == "mmdet":
        pytest.importorskip(
            "bag_of_transfer.detection"
        )  # makes mmdet importable without compiled operators
    registry = pytest.importorskip(f"{library}.registry").MODELS
    network = registry.build(dict(type=name, depth=18, base_channels=8))
    assert type(network) is getattr(backbones, name)
    assert type(network).__module__ == "backbones.resnet"
    assert registry is MODELS or name not in registry.module_dict  # a child's name would win


@pytest.mark.parametrize("scope", ["mmengine", "mmseg", "mmdet"])
def test_name_means_our_class_under_every_default_scope(scope):
    if scope == "mmdet":
        pytest.importorskip("bag_of_transfer.detection")
    pytest.importorskip(f"{scope}.registry")
    with DefaultScope.overwrite_default_scope(scope):
        network = MODELS.build(dict(type="ResNetD", depth=18, base_channels=8))
    assert type(network).__module__ == "backbones.resnet"


def test_backbones_import_only_torch_and_mmengine():
    files = sorted(Path(backbones.__file__).parent.glob("*.py"))
    assert len(files) >= 4  # an empty list passes
    roots = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                roots |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                roots.add(node.module.split(".")[0])
    assert roots - sys.stdlib_module_names == {"torch", "mmengine"}
