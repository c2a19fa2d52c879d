"""A transfer-learning toolkit: pretrain backbones, hand them over, detect, segment and compare.

Importing it is cheap: the names below are loaded when they are first used.

from bag_of_transfer import Predictor
predictor = Predictor("configs/detection/mine.py", "work_dirs/mine/last_checkpoint")
results = predictor(["a.jpg", "b.jpg"])
"""

from importlib import import_module
from typing import Any

__all__ = ["Predictor"]

OFFERED = {"Predictor": "bag_of_transfer.prediction"}


def __getattr__(name: str) -> Any:
    """Load an offered name when it is first used (PEP 562)."""
    if name not in OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(OFFERED[name]), name)
