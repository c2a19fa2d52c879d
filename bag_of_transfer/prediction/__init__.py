"""Predict new images with a trained checkpoint: classes, boxes or masks, drawn and as JSON.

from bag_of_transfer import Predictor
predictor = Predictor("configs/detection/mine.py", "work_dirs/mine/last_checkpoint")
results = predictor(["a.jpg", "b.jpg"])
"""

import backbones  # noqa: F401  registers ResNetA..D
import bag_of_transfer.detection
import bag_of_transfer.segmentation  # noqa: F401  lets configs say _base_ = "mmseg::..."
from bag_of_transfer.prediction.predictor import Predictor
from bag_of_transfer.prediction.results import Boxes, Classes, Mask

__all__ = ["Boxes", "Classes", "Mask", "Predictor"]
