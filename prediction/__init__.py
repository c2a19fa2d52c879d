"""A trained checkpoint on new images: classes, boxes or masks, drawn and as JSON.

from prediction import Predictor
predictor = Predictor("configs/detection/mine.py", "work_dirs/mine/last_checkpoint")
results = predictor(["a.jpg", "b.jpg"])
"""

import backbones  # noqa: F401  registers ResNetA..D
import detection  # noqa: F401  before mmdet: stands in for mmcv's compiled ops
import segmentation  # noqa: F401  lets configs say _base_ = "mmseg::..."
from prediction.predictor import Predictor
from prediction.results import Boxes, Classes, Mask

__all__ = ["Boxes", "Classes", "Mask", "Predictor"]
