"""Fill in the number of classes that the training data has."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from engine.errors import UserError

__all__ = ["fill_num_classes"]


def fill_num_classes(cfg: Config, classes: tuple[str, ...]) -> None:
    """Set every ``num_classes`` of the model that is None, and one that a classifier's head lacks.

    Heads for the things of a panoptic data set count those alone (``num_things_classes``).

    Raises:
        UserError: If one is a number already, and another than the data's.
    """
    head = cfg.model.get("head")
    if cfg.get("default_scope", "mmengine") == "mmengine" and isinstance(head, dict):
        head.setdefault("num_classes", None)  # a classifier's: no other head of ours does without
    things = {node.num_things_classes for _, node in _places(cfg.model, "num_things_classes")}
    for dotted, node in _places(cfg.model, "num_classes"):
        if node.num_classes is None:
            node.num_classes = len(classes)
        elif node.num_classes not in {len(classes), *things}:
            raise UserError(
                f"the head has {node.num_classes} classes, the training data {len(classes)}",
                f"{dotted}.num_classes ({', '.join(classes[:5])}...)",
                "leave num_classes out (None), it is read from the data",
            )


def _places(node: Any, wanted: str, dotted: str = "model") -> Iterator[tuple[str, Any]]:
    """Yield the dicts that have a key, each with its place."""
    if isinstance(node, dict):
        if wanted in node:
            yield dotted, node
        for key, child in node.items():
            yield from _places(child, wanted, f"{dotted}.{key}")
    elif isinstance(node, list | tuple):
        for index, child in enumerate(node):
            yield from _places(child, wanted, f"{dotted}.{index}")
