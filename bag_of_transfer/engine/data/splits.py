"""The parts of a config that belong together: a split's loader, loop and evaluator."""

from mmengine.config import Config

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.recipe import RECIPE_PARTS

__all__ = ["EVALUATORS", "LOADERS", "PARTS", "READING", "ROOTS", "check_splits"]

PARTS = {
    "train": RECIPE_PARTS,
    "val": ("val_dataloader", "val_cfg", "val_evaluator"),
    "test": ("test_dataloader", "test_cfg", "test_evaluator"),
}
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
EVALUATORS = ("val_evaluator", "test_evaluator")
READING = (*LOADERS, "tta_pipeline", "custom_hooks")  # what may read images
ROOTS = ("data_root", "root")  # keys of mm*'s data sets, and of ImageFolder


def check_splits(cfg: Config) -> str | None:
    """Check that each split is stated with all its parts or not at all; training must be stated.

    Returns:
        A line that says so if there is no validation split.

    Raises:
        UserError: If training is missing, or a part of a split is.
    """
    for split, parts in PARTS.items():
        missing = [part for part in parts if cfg.get(part) is None]
        if missing and (split == "train" or len(missing) < len(parts)):
            mend = f"state {missing[0]}"
            mend += "" if split == "train" else f", or set all of {', '.join(parts)} to None"
            raise UserError(f"the {split} split has no {missing[0]}", cfg.filename or "", mend)
    if cfg.get("val_dataloader") is None:
        return "no validation split: no best checkpoint is kept, and metrics.json has no metrics"
    return None
