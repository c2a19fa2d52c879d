"""Fill in the number of classes that the training data has."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from engine.errors import UserError

__all__ = ["fill_num_classes"]


def fill_num_classes(cfg: Config, classes: tuple[str, ...]) -> None:
    """Set every ``num_classes`` of the model that is None, and one that a classifier's head lacks.

    Raises:
        UserError: If one is a number already, and another than the data's.
    """
    head = cfg.model.get("head")
    if cfg.get("default_scope", "mmengine") == "mmengine" and isinstance(head, dict):
        head.setdefault("num_classes", None)  # a classifier's: no other head of ours does without
    for dotted, node in _places(cfg.model, "model"):
        if node.num_classes is None:
            node.num_classes = len(classes)
        elif node.num_classes != len(classes):
            raise UserError(
                f"the head has {node.num_classes} classes, the training data {len(classes)}",
                f"{dotted}.num_classes ({', '.join(classes[:5])}...)",
                "leave num_classes out (None), it is read from the data",
            )


def _places(node: Any, dotted: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        if "num_classes" in node:
            yield dotted, node
        for key, child in node.items():
            yield from _places(child, f"{dotted}.{key}")
    elif isinstance(node, list | tuple):
        for index, child in enumerate(node):
            yield from _places(child, f"{dotted}.{index}")
