"""Fill in the number of classes that the training data has."""

from mmengine.config import Config

from bag_of_transfer.engine.config_nodes import dicts_with
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import find_task

__all__ = ["fill_num_classes"]


def fill_num_classes(cfg: Config, classes: tuple[str, ...]) -> None:
    """Set every ``num_classes`` of the model that is None, and that of a classifier's head.

    Heads for the things of a panoptic data set may count only those (``num_things_classes``).

    Raises:
        UserError: If a ``num_classes`` is set already, and is not the data's.
    """
    task = find_task(cfg)
    head = cfg.model.get(task.open_head) if task else None
    if isinstance(head, dict):
        head.setdefault("num_classes", None)
    things = {node.num_things_classes for _, node in dicts_with("num_things_classes", cfg.model)}
    for dotted, node in dicts_with("num_classes", cfg.model, "model"):
        if node.num_classes is None:
            node.num_classes = len(classes)
        elif node.num_classes not in {len(classes), *things}:
            raise UserError(
                f"the head has {node.num_classes} classes, the training data {len(classes)}",
                f"{dotted}.num_classes ({', '.join(classes[:5])}...)",
                "leave num_classes out (None): it is read from the data",
            )
