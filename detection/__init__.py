"""What mmdet lacks: operators without a compiler, our data formats, metrics in percent.

Importing this package makes ``import mmdet.models`` work where mmcv has no compiled operators, and
registers the shared head that ``--backbone`` puts into mmdet's own C4 configs.
Other classes register when their modules are imported; configs name these in ``custom_imports``.
"""

import warnings

import detection.shared_head  # noqa: F401  registers ResNetStage4
from detection.judges import JUDGES
from detection.mmcv_ops import install
from engine.data_sets import register_checks
from engine.environment import refuse_upstream_beside_forks
from engine.percent import register_judges

__all__ = ["install"]

register_judges(JUDGES)
register_checks(
    {
        "detection.datasets.BoxDataset": "detection.datasets",
        "mmdet.datasets.coco.CocoDataset": "detection.stock_coco",
        "mmdet.datasets.xml_style.XMLDataset": "detection.stock_voc",
    }
)
refuse_upstream_beside_forks()
install()
# mmdet says this to everybody who imports it, on the stream whose first line is the error's.
warnings.filterwarnings("ignore", message="faster_coco_eval is not installed")
