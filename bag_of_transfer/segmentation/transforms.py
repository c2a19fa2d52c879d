"""Transforms of GluonCV's segmentation that mmseg lacks: blur, pad, resize with Pillow.

Source: dmlc/gluon-cv at 3473b1a2 (December 2018, the paper's time), gluoncv/data/segbase.py and
gluoncv/model_zoo/segbase.py.  Letters: H W pixels, C channels.
"""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS
from mmseg.datasets.transforms import Resize
from PIL import Image, ImageFilter

__all__ = ["PadToWindows", "PillowResize", "RandomGaussianBlur", "windows_px"]


@TRANSFORMS.register_module()
class PillowResize(Resize):
    """Resize with Pillow's filters; mmcv can do this only for masks of 8 bits.

    Args:
        **kwargs: Arguments of mmseg's ``Resize``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(backend="pillow", **kwargs)

    def _resize_seg(self, results: dict[str, Any]) -> None:
        height, width = results["img"].shape[:2]
        for key in results.get("seg_fields", []):
            labels = Image.fromarray(results[key])
            results[key] = np.array(labels.resize((width, height), Image.Resampling.NEAREST))


@TRANSFORMS.register_module()
class RandomGaussianBlur(BaseTransform):
    """Blur some pictures with Pillow's Gaussian filter; masks do not change.

    Args:
        prob: Share of the pictures that are blurred, in [0, 1]; GluonCV's is 0.5.
        max_radius: The radius (the filter's standard deviation) in pixels is uniform in
            [0, ``max_radius``); GluonCV's is 1.

    Raises:
        ValueError: If ``prob`` is outside [0, 1] or ``max_radius`` is negative.
    """

    def __init__(self, prob: float = 0.5, max_radius: float = 1.0) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f"prob must be in [0, 1], got {prob}")
        if max_radius < 0:
            raise ValueError(f"max_radius must not be negative, got {max_radius}")
        self.prob = prob
        self.max_radius = max_radius

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Blur ``img`` (H W C, uint8) with probability ``prob``."""
        if np.random.random() < self.prob:  # noqa: NPY002  all transforms use it
            radius = self.max_radius * np.random.random()  # noqa: NPY002
            picture = Image.fromarray(results["img"])
            results["img"] = np.array(picture.filter(ImageFilter.GaussianBlur(radius)))
        return results


@TRANSFORMS.register_module()
class PadToWindows(BaseTransform):
    """Pad a test picture with black, so that windows of one size tile it from its first corner.

    GluonCV's ``MultiEvalModel`` pads the windows that reach over the edge; mmseg's sliding
    inference would move them back inside.  On the padded picture both have the same windows.
    A flipped picture is padded on the left, as if it had been padded first.  mmseg removes the
    padding from its prediction by the key ``padding_size``, which ``PackSegInputs`` has to keep
    (``meta_keys``).

    Args:
        crop_px: Side of the square window.
        stride_px: Distance from one window to the next.

    Raises:
        ValueError: If an argument is not positive.
    """

    def __init__(self, crop_px: int, stride_px: int) -> None:
        if min(crop_px, stride_px) < 1:
            raise ValueError(f"window and stride must be positive, got {crop_px} and {stride_px}")
        self.crop_px = crop_px
        self.stride_px = stride_px

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pad ``img`` (H W or H W C) and store left, right, top, bottom in ``padding_size``."""
        height, width = results["img"].shape[:2]
        below = windows_px(height, self.crop_px, self.stride_px) - height
        beside = windows_px(width, self.crop_px, self.stride_px) - width
        left, right = (beside, 0) if results.get("flip") else (0, beside)
        margins = ((0, below), (left, right), (0, 0))
        results["img"] = np.pad(results["img"], margins[: results["img"].ndim])
        results["padding_size"] = (left, right, 0, below)
        results["img_shape"] = results["pad_shape"] = results["img"].shape[:2]
        return results


def windows_px(side_px: int, crop_px: int, stride_px: int) -> int:
    """Return the smallest ``crop_px + k * stride_px``, k = 0, 1, ..., not below ``side_px``."""
    over = max(side_px - crop_px, 0)
    return crop_px + -(-over // stride_px) * stride_px
