"""The class names of a data set, and what they must be."""

from collections.abc import Mapping, Sequence
from typing import Any

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.recipe import class_difference

__all__ = ["check_same_classes", "check_several_classes", "classes_of"]


def classes_of(dataset: Any) -> tuple[str, ...]:
    """Return the class names in the order of their labels.

    Raises:
        UserError: If the data set names no classes.
    """
    classes = getattr(dataset, "metainfo", {}).get("classes")
    if not classes or isinstance(classes, str):
        what = f"the data set {type(dataset).__name__} names no classes"
        mend = "state them, metainfo=dict(classes=(...)), in the order of the labels"
        raise UserError(what, "train_dataloader.dataset", mend)
    return tuple(classes)


def check_same_classes(trained: Sequence[str], dataset: Any, split: str) -> None:
    """Check that a split has the classes of the training data, in their order.

    Raises:
        UserError: If it does not.
    """
    pair = class_difference(trained, classes_of(dataset))
    if pair:
        difference = f"{pair[0]} against {pair[1]}"
        raise UserError(
            f"the {split} split has other classes than the training data: {difference}",
            f"{split}_dataloader.dataset",
            "take the classes of the training data (classes_from), or state the same for both",
        )


def check_several_classes(classes: Sequence[str], dataset: Mapping[str, Any]) -> None:
    """Check that a classifier has two classes or more; a detector may have a single class.

    Raises:
        UserError: If it has one.
    """
    if len(classes) < 2:
        raise UserError(
            f"a classifier needs two classes or more, got {', '.join(classes) or 'none'}",
            dataset.get("root", "train_dataloader.dataset"),
            "put images into ROOT/<class name>/, one folder per class",
        )
