"""Who may import whom, and what a module says it offers; read from the source."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A room is a package of ours without the name before it, "" the package itself.  What a room may
# import is everything that ours may need, written out: an arrow that is not here is a decision.
TASKS = ["classification", "detection", "segmentation"]
# The rooms of engine from the lowest to the highest: each may import those before it.
FLOORS = ["engine", *(f"engine.{room}" for room in ("data", "weights", "config", "loop", "run"))]
ENGINE, DATA, WEIGHTS, CONFIG, LOOP, RUN = FLOORS
MAY_IMPORT: dict[str, list[str]] = {
    "backbones": [],
    "": ["prediction"],  # when asked for
    **{room: FLOORS[:floor] for floor, room in enumerate(FLOORS)},
    LOOP: [ENGINE, DATA, WEIGHTS],
    "archives": [ENGINE],
    "demo_world": [ENGINE],
    "pages": [ENGINE],
    "data_checks": [ENGINE, DATA, CONFIG],  # what data sets have read, in mmengine's words
    "data_checks.page": ["data_checks", ENGINE, DATA, "pages", "prediction"],
    "classification": ["backbones", *FLOORS],
    **{task: ["backbones", ENGINE, DATA, CONFIG, LOOP] for task in TASKS[1:]},
    "audit": ["classification", ENGINE],
    "own_data": [ENGINE, DATA, CONFIG, "segmentation"],
    "transfer.layouts": ["backbones"],
    "transfer": ["backbones", ENGINE, WEIGHTS, CONFIG, "transfer.layouts"],
    "transfer.config": ["backbones", ENGINE, CONFIG, "transfer", "transfer.layouts"],
    "transfer.convert": ["backbones", ENGINE, "transfer", "transfer.layouts"],
    "prediction": ["backbones", *FLOORS, *TASKS],
    "run_report": [ENGINE, DATA, LOOP, RUN, "pages", "prediction"],
    "onnx_export": ["detection", ENGINE, DATA, CONFIG, "prediction"],
    "ladder": [ENGINE],
    "ladder.statistics": [ENGINE, "ladder"],
    "ladder.report": [ENGINE, "ladder", "ladder.statistics", "pages"],  # nothing that trains
    "ladder.plan": [
        *(ENGINE, DATA, CONFIG, "ladder"),
        *("transfer", "transfer.config", "transfer.convert", *TASKS[1:]),
    ],
    "ladder.run": [
        *(ENGINE, DATA, CONFIG, LOOP, RUN),
        *("ladder", "ladder.plan", "ladder.report", "ladder.statistics"),
        *("pages", "prediction", *TASKS),
    ],
}
PACKAGE = ROOT / "bag_of_transfer"
MODULES = sorted(path for top in (ROOT / "backbones", PACKAGE) for path in top.rglob("*.py"))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@pytest.fixture(scope="module", autouse=True)
def _forget_trees() -> Iterator[None]:
    """Do not let garbage collection go through them in later tests."""
    yield
    tree_of.cache_clear()


def room_of(module: str) -> str | None:
    """Return the room that a dotted name is in; None where it is none of ours."""
    first, _, inside = module.partition(".")
    if first == "backbones":
        return first
    if first != PACKAGE.name:
        return None
    return max((room for room in MAY_IMPORT if f"{inside}.".startswith(f"{room}.")), default="")


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, in functions, too, or names in strings."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and is_our_module(node.value):
            yield node.value


def is_our_module(value: object) -> bool:
    """Return whether a string names a module of ours, as tables for ``custom_imports`` do."""
    if not isinstance(value, str) or not value.startswith(f"{PACKAGE.name}."):
        return False
    place = ROOT.joinpath(*value.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_table_names_every_room() -> None:
    rooms = {room_of(".".join(p.relative_to(ROOT).parts[:-1])) for p in MODULES}
    folders = {".".join(p.parent.relative_to(PACKAGE).parts) for p in PACKAGE.rglob("__init__.py")}
    assert rooms == set(MAY_IMPORT) == folders | {"backbones"}
    assert len(MODULES) >= 200  # change it when it shrinks: an empty list passes


def test_imports_go_one_way() -> None:
    wrong = [f"{name_of(path)} imports {name}" for path in MODULES for name in forbidden(path)]
    assert not wrong


def forbidden(path: Path) -> list[str]:
    """Return what a module imports and may not."""
    here = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert here is not None, path
    rooms = {name: room_of(name) for name in imported(path)}
    wrong = [n for n, room in rooms.items() if room not in (None, here, *MAY_IMPORT[here])]
    return wrong + [name for name in rooms if name.partition(".")[0] in ("tests", "tools")]


@pytest.mark.parametrize("package", ["engine", "classification", "transfer", "audit"])
def test_detection_and_segmentation_frameworks_stay_with_their_tasks(package: str) -> None:
    """A backbone or a pretraining run must not need mmdet or mmseg to be imported."""
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in sorted((PACKAGE / package).rglob("*.py"))
        for name in imported(path)
        if name.partition(".")[0] in {"mmdet", "mmseg"}
    ]
    assert not wrong


def bound_names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a top level binds, also under its ``if``, ``with`` and ``try``."""
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
    """Return the list ``__all__``, or None where a module has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def test_modules_offer_names_that_they_have() -> None:
    wrong = [f"{name_of(path)}: {why}" for path in MODULES if (why := mistake_in_offer(path))]
    assert not wrong


def mistake_in_offer(path: Path) -> str:
    """Return what is wrong with a module's ``__all__``; "" for nothing."""
    tree = tree_of(path)
    names = offered(tree)
    if names is None:
        defines = any(isinstance(n, (ast.FunctionDef, ast.ClassDef)) for n in tree.body)
        return "" if path.name == "__init__.py" and not defines else "no __all__"
    bound = set(bound_names(tree))
    missing = [] if "__getattr__" in bound else sorted(set(names) - bound)  # lazy: test_package.py
    if missing:
        return f"it has no {missing}"
    return "" if len(names) == len(set(names)) else "a name twice"


def test_public_functions_that_raise_say_so() -> None:
    silent = [
        f"{name_of(path)}:{function.lineno}: {function.name}"
        for path in MODULES
        for function in public_functions(tree_of(path))
        if raises(function) and "Raises:" not in (ast.get_docstring(function) or "")
    ]
    assert not silent


def public_functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield functions and methods that a user may call; what is in a function is private."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node)


def raises(function: ast.FunctionDef) -> bool:
    """Tell whether the body raises something new; an abstract method and ``raise`` alone do not."""
    raised = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise)]
    return any(what and "NotImplementedError" not in ast.unparse(what) for what in raised)
