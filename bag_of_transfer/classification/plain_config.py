"""Read a finished run's config as data: it may be somebody else's, and mmengine would run it."""

import ast
from pathlib import Path

from mmengine.config import Config

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.plain_files import read_file

__all__ = ["read_plain_config"]

# Raised by Python's parser, or for values such as a list as a key or a name mmengine reserves.
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError),
    *(RecursionError, MemoryError),
)


class _WithoutCalls(ast.NodeTransformer):
    """Turn ``dict(a=1)`` into ``{"a": 1}``, because ``ast.literal_eval`` takes no calls."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        names = [word.arg for word in node.keywords]
        is_dict = isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args
        if not is_dict or None in names:
            return node
        keys: list[ast.expr | None] = [ast.Constant(name) for name in names]
        return ast.Dict(keys, [word.value for word in node.keywords])


def read_plain_config(path: Path, mend: str) -> Config:
    """Read a config of plain values, such as ``resolved_config.py``, without running it.

    Args:
        path: The config.
        mend: What to do if it holds anything else, for the error.

    Raises:
        UserError: If it cannot be read as Python, or holds anything but values that are assigned.
    """
    values = {}
    try:
        for statement in ast.parse(read_file(path), path.name).body:
            name, value = _assignment(statement)
            values[name] = ast.literal_eval(_WithoutCalls().visit(value))
        return Config(values)
    except UNREADABLE as error:
        reason = str(error).partition(": <")[0].replace(": ", ", ")
        raise UserError(f"the config is not made of plain values ({reason})", path, mend) from error


def _assignment(statement: ast.stmt) -> tuple[str, ast.expr]:
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id, statement.value
    raise ValueError(f"line {statement.lineno} does not assign a value to a name")
