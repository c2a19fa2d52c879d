"""Check the parts of a config that belong together: a split's loader, loop and evaluator."""

from mmengine.config import Config

from bag_of_transfer.engine.errors import UserError

__all__ = ["check_splits"]

PARTS = {
    "train": ("train_dataloader", "train_cfg", "optim_wrapper"),
    "val": ("val_dataloader", "val_cfg", "val_evaluator"),
    "test": ("test_dataloader", "test_cfg", "test_evaluator"),
}


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
