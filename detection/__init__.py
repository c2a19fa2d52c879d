"""What mmdet lacks: operators without a compiler, our data formats, metrics in percent.

Importing this package makes ``import mmdet.models`` work where mmcv has no
compiled operators.
"""

from detection.mmcv_ops import install
from engine.environment import refuse_upstream_beside_forks

__all__ = ["install"]

refuse_upstream_beside_forks()
install()
