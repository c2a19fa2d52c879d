"""What mmseg lacks: mask folders that are checked before training, metrics in percent.

Importing this package registers both; mmseg's networks are imported when one is built.
"""

import contextlib
import io
import warnings

from mmengine.config.utils import MODULE2PACKAGE

with contextlib.redirect_stdout(io.StringIO()):  # mmseg prints that OneDL is absent, twice
    from segmentation.datasets import MaskFolder
    from segmentation.metrics import SegMetric

__all__ = ["MaskFolder", "SegMetric"]

# mmseg's published runs and GluonCV's average the loss over all pixels, ignored ones too; ours do
# the same, and need not be told at every start.
warnings.filterwarnings("ignore", message="Default ``avg_non_ignore`` is False")

# _base_ = "mmseg::..." asks for a distribution named mmsegmentation, which the fork
# (onedl-mmsegmentation) is not; the module's own name is found in both.
MODULE2PACKAGE["mmseg"] = "mmseg"
