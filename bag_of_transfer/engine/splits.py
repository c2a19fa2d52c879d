"""The parts of a config that go together: a split's loader, its loop and its evaluator."""

from mmengine.config import Config

from bag_of_transfer.engine.errors import UserError

__all__ = ["check_splits"]

PARTS = {
    "train": ("train_dataloader", "train_cfg", "optim_wrapper"),
    "val": ("val_dataloader", "val_cfg", "val_evaluator"),
    "test": ("test_dataloader", "test_cfg", "test_evaluator"),
}


def check_splits(cfg: Config) -> str | None:
    """Check that each split is stated whole or not at all; only training is needed.

    Returns:
        The line that says so if nothing will be validated.

    Raises:
        UserError: If the training is missing, or a split is stated in part.
    """
    for split, parts in PARTS.items():
        missing = [part for part in parts if cfg.get(part) is None]
        if missing and (split == "train" or len(missing) < len(parts)):
            mend = "state it" if split == "train" else f"state it, or set {', '.join(parts)} = None"
            raise UserError(f"the {split} split has no {missing[0]}", cfg.filename or "", mend)
    if cfg.get("val_dataloader") is None:
        return "no validation split: no best checkpoint is kept, and metrics.json has no metrics"
    return None
