"""What mmdet lacks: operators without a compiler, our data formats, metrics in percent.

Importing this package makes ``import mmdet.models`` work where mmcv has no compiled operators, and
registers the shared head that ``--backbone`` puts into mmdet's own C4 configs.
Other classes are registered when their modules are imported, as ``custom_imports`` in configs does.
"""

import bag_of_transfer.detection.shared_head  # noqa: F401  registers ResNetStage4
from bag_of_transfer.detection.judges import JUDGES
from bag_of_transfer.detection.mmcv_ops import install
from bag_of_transfer.engine.config.process_setup import prepare_process
from bag_of_transfer.engine.tasks import Preprocessor, complete

__all__ = ["install"]

complete(
    "det",
    judges=JUDGES,
    checks={
        "bag_of_transfer.detection.box_dataset.BoxDataset": "bag_of_transfer.detection.box_dataset",
        "mmdet.datasets.coco.CocoDataset": "bag_of_transfer.detection.stock_coco",
        "mmdet.datasets.xml_style.XMLDataset": "bag_of_transfer.detection.stock_voc",
    },
    judge_checks={
        "bag_of_transfer.detection.metrics.VocMetric": "bag_of_transfer.detection.voc_judged",
        "bag_of_transfer.detection.metrics.CocoBoxMetric": "bag_of_transfer.detection.coco_judged",
        "mmdet.evaluation.metrics.coco_metric.CocoMetric": "bag_of_transfer.detection.stock_judge",
    },
    preprocessor=Preprocessor(
        "AnyChannelsDetPreprocessor",
        "bag_of_transfer.detection.preprocessor",
        stands_for="DetDataPreprocessor",
    ),
    install_stand_ins=install,
    # mmdet warns at each import, on stderr, whose first line must be the error.
    unheeded_warnings=("faster_coco_eval is not installed",),
)
prepare_process()
