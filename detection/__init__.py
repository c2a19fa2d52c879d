"""What mmdet lacks: operators without a compiler, our data formats, metrics in percent.

Importing this package makes ``import mmdet.models`` work where mmcv has no
compiled operators.
"""

from detection.mmcv_ops import install

__all__ = ["install"]

install()
