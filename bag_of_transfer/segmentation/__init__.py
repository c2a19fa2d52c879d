"""What mmseg lacks: mask folders checked before training, metrics in percent, GluonCV's transforms.

Importing this package registers them; mmseg's networks are imported when one is built.
"""

import contextlib
import io

from bag_of_transfer.engine.config.process_setup import prepare_process
from bag_of_transfer.engine.tasks import Preprocessor, complete
from bag_of_transfer.segmentation.judges import JUDGES
from bag_of_transfer.segmentation.metrics import SegMetric

__all__ = ["MaskFolder", "PadToWindows", "PillowResize", "RandomGaussianBlur", "SegMetric"]

complete(
    "seg",
    judges=JUDGES,
    checks={
        "mmseg.datasets.basesegdataset.BaseSegDataset": "bag_of_transfer.segmentation.stock_masks"
    },
    judge_checks={
        "bag_of_transfer.segmentation.metrics.SegMetric": "bag_of_transfer.segmentation.seg_judged"
    },
    preprocessor=Preprocessor(
        "AnyChannelsSegPreprocessor",
        "bag_of_transfer.segmentation.preprocessor",
        stands_for="SegDataPreProcessor",
    ),
    # mmseg's published runs average the loss over all pixels, ignored ones too.  Our configs of its
    # recipes do the same: no need to warn at every start.
    unheeded_warnings=("Default ``avg_non_ignore`` is False",),
)
prepare_process()
with contextlib.redirect_stdout(io.StringIO()):  # mmseg prints twice that OneDL is missing
    from bag_of_transfer.segmentation.datasets import MaskFolder
    from bag_of_transfer.segmentation.transforms import (
        PadToWindows,
        PillowResize,
        RandomGaussianBlur,
    )
