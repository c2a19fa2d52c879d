"""Predict new images with a trained checkpoint: classes, boxes or masks, drawn and as JSON.

Drawing needs no network: the predictor, and with it mmdet and mmseg, is loaded when it is used.

from bag_of_transfer import Predictor
predictor = Predictor("configs/detection/mine.py", "work_dirs/mine/last_checkpoint")
results = predictor(["a.jpg", "b.jpg"])
"""

from importlib import import_module
from typing import Any

from bag_of_transfer.prediction.results import Boxes, Classes, Mask

__all__ = ["Boxes", "Classes", "Mask", "Predictor"]


def __getattr__(name: str) -> Any:
    """Load the predictor when it is first used (PEP 562)."""
    if name != "Predictor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("bag_of_transfer.prediction.predictor").Predictor
