"""GluonCV's FCN head, which differs from mmseg's in one operator: dropout.

Source: dmlc/gluon-cv at 3473b1a2 (the paper's time), gluoncv/model_zoo/fcn.py.  Configs name this
module in ``custom_imports``: importing the package ``segmentation`` alone loads no network.
"""

from typing import Any

from mmengine.registry import MODELS
from mmseg.models.decode_heads import FCNHead
from torch import nn

from bag_of_transfer.engine.config.process_setup import ignore_warning

__all__ = ["GluonFCNHead"]

# mmseg advises sizes of nx + 1 pixels; GluonCV uses 480 and the images' own sizes.
ADVICE = "When align_corners=True"


@MODELS.register_module()
class GluonFCNHead(FCNHead):
    """mmseg's ``FCNHead``, but dropout zeroes single values and not whole channels.

    The layers, their names and their weights are mmseg's.  The other differences of GluonCV are
    arguments: one convolution, no concatenation, ``align_corners``, ``init_cfg``.

    Args:
        **kwargs: As in mmseg's ``FCNHead``; ``dropout_ratio`` is the share of values set to 0.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        ignore_warning(ADVICE)
        if self.dropout_ratio > 0:
            self.dropout = nn.Dropout(self.dropout_ratio)
