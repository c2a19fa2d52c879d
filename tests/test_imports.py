"""Who may import whom, and what a module says it offers; read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# backbones <- classification, detection, segmentation, transfer <- prediction <- ladder <- tools;
# engine serves all and knows none.
TASKS = {"classification", "detection", "segmentation", "transfer"}
MAY_IMPORT: dict[str, set[str]] = {
    "backbones": set(),
    "engine": set(),
    "archives": {"engine"},
    "demo_world": {"engine"},
    **{task: {"backbones", "engine"} for task in TASKS},
    "prediction": {"backbones", "classification", "detection", "engine", "segmentation"},
    "ladder": {"backbones", "engine", "prediction", *TASKS},
    "tools": {"archives", "backbones", "engine", "demo_world", "ladder", "prediction", *TASKS},
}
MODULES = sorted(
    path for package in MAY_IMPORT if package != "tools" for path in (ROOT / package).rglob("*.py")
)


def imported(path: Path) -> Iterator[str]:
    """Top-level names of all modules imported in a file, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_table_names_every_package() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages - {"tools"} == set(MAY_IMPORT) - {"tools"}
    assert len(MODULES) >= 50  # change it when it shrinks: an empty list passes


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package: str) -> None:
    forbidden = set(MAY_IMPORT) - MAY_IMPORT[package] - {package}
    found = [
        f"{name_of(path)} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in imported(path)
        if name in forbidden or name == "tests"
    ]
    assert not found


@pytest.mark.parametrize("package", ["backbones", "engine", "classification", "transfer"])
def test_detection_and_segmentation_frameworks_stay_with_their_tasks(package: str) -> None:
    """A backbone or a pretraining run must not need mmdet or mmseg to be imported."""
    found = [
        f"{name_of(path)} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in imported(path)
        if name in {"mmdet", "mmseg"}
    ]
    assert not found


def bound_names(node: ast.AST) -> Iterator[str]:
    """Names that a module's top level binds, also under its ``if``, ``with`` and ``try``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            yield child.name
        elif isinstance(child, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in child.names)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        else:
            yield from bound_names(child)


def offered(tree: ast.Module) -> list[str] | None:
    """The list ``__all__``, or None where a module has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_offers_names_that_it_has(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = offered(tree)
    if names is None:
        assert path.name == "__init__.py", "no __all__"
        assert not [n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
        return
    assert set(names) <= set(bound_names(tree))
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_function_that_raises_says_so(path: Path) -> None:
    silent = [
        f"line {function.lineno}: {function.name}"
        for function in public_functions(ast.parse(path.read_text()))
        if raises(function) and "Raises:" not in (ast.get_docstring(function) or "")
    ]
    assert not silent


def public_functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Functions and methods that a user may call; what lies inside a function is private."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node)


def raises(function: ast.FunctionDef) -> bool:
    """Whether the body raises something new; an abstract method and ``raise`` alone do not."""
    raised = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise)]
    return any(what and "NotImplementedError" not in ast.unparse(what) for what in raised)
