"""What mmseg lacks: mask folders that are checked before training, metrics in percent.

Importing this package registers both; mmseg's networks are imported when one is built.
"""

import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):  # mmseg prints that OneDL is absent, twice
    from segmentation.datasets import MaskFolder
    from segmentation.metrics import SegMetric

__all__ = ["MaskFolder", "SegMetric"]
