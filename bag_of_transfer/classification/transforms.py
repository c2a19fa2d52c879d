"""The transforms of the paper's input pipeline that torchvision lacks.

Source: arXiv:1812.01187, sec. 2.1.  A transform takes an image in RGB, of Pillow or as a uint8
tensor C H W, and returns one of the same kind.  A pipeline gets a tensor if its first step is
``RandomResizedCrop``, else an image of Pillow; it ends in ``torchvision/PILToTensor``.  The
preprocessor normalises on the device.  A pipeline can name every class of
``torchvision.transforms.v2`` as ``torchvision/NAME``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from mmengine.registry import TRANSFORMS
from PIL import Image
from torch.nn.functional import interpolate
from torchvision.transforms import Compose, v2

from bag_of_transfer.engine.errors import UserError

__all__ = ["HSVScale", "PCANoise", "RandomResizedCrop", "build_pipeline", "planes",
           "scale_hsv", "shift_levels", "takes_tensors"]  # fmt: skip

# OpenCV takes a hue modulo 360; V is 255 at most, because the pixels are.
LARGEST_HSV = np.array([np.inf, 1, 255], np.float32)
BILINEAR = (v2.InterpolationMode.BILINEAR, "bilinear")
Transform = Callable[[Any], Any]
Picture = TypeVar("Picture", Image.Image, torch.Tensor)

for _name, _class in vars(v2).items():
    if isinstance(_class, type) and issubclass(_class, v2.Transform):
        TRANSFORMS.register_module(name=f"torchvision/{_name}", module=_class, force=True)


def build_pipeline(pipeline: Sequence[Mapping[str, Any] | Transform]) -> Transform:
    """Build the transforms of a list and chain them.

    Raises:
        UserError: If a transform is unknown or refuses its arguments.
    """
    return Compose([_build(step) if isinstance(step, Mapping) else step for step in pipeline])


def _build(step: Mapping[str, Any]) -> Transform:
    try:
        return TRANSFORMS.build(dict(step))
    except Exception as error:  # a transform may raise anything
        mend = "see bag_of_transfer/classification/transforms.py for names and arguments"
        raise UserError(f"a transform can't be built: {error}", dict(step), mend) from error


def takes_tensors(pipeline: Transform) -> bool:
    """Return whether a pipeline of :func:`build_pipeline` is to get tensors."""
    steps = pipeline.transforms if isinstance(pipeline, Compose) else [pipeline]
    return bool(steps) and isinstance(steps[0], RandomResizedCrop)


def planes(inputs: Any) -> Any:
    """Put the channels of a uint8 tensor C H W behind one another, as batches have them."""
    if not torch.is_tensor(inputs) or inputs.dtype != torch.uint8 or inputs.is_contiguous():
        return inputs
    apart = np.empty(inputs.shape, np.uint8)
    cv2.split(inputs.permute(1, 2, 0).numpy(), list(apart))  # six times as fast as contiguous()
    return torch.from_numpy(apart)


@TRANSFORMS.register_module()
class RandomResizedCrop(v2.RandomResizedCrop):
    """torchvision's, with the same draws, for pixels that have not been an image of Pillow.

    From a tensor it makes the same bytes as torchvision's, in less time.  They differ from what
    torchvision makes of Pillow's image by one level at most (benchmarks/input_path.py).
    """

    def transform(self, image: Any, params: dict[str, Any]) -> Any:
        """Return the area of ``params`` (top, left, height, width) in the new size."""
        if not torch.is_tensor(image) or self.interpolation not in BILINEAR:
            return super().transform(image, params)
        top, left, height, width = (params[key] for key in ("top", "left", "height", "width"))
        pixels = image.permute(1, 2, 0)[top : top + height, left : left + width].contiguous()
        # The channels of a pixel lie together, without gaps: torch has a fast way for that.
        batch = pixels[None].permute(0, 3, 1, 2)
        return interpolate(batch, self.size, mode="bilinear", antialias=bool(self.antialias))[0]


@TRANSFORMS.register_module()
class HSVScale:
    """Scale hue, saturation and brightness (V of HSV), each by its own random factor.

    This is what the paper's text says.  Its code jitters brightness, contrast and saturation by
    0.4 instead and does not change the hue (GluonCV train_imagenet.py): for that, use
    ``torchvision/ColorJitter``.  A hue is an angle and wraps around; the other two are clipped.
    The colours are exact but for rounding to whole levels (benchmarks/hsv_rounding.py).

    Args:
        low: Smallest factor; the paper's is 0.6.
        high: Largest factor; the paper's is 1.4.
    """

    def __init__(self, low: float = 0.6, high: float = 1.4) -> None:
        if not 0 <= low <= high:
            raise ValueError(f"factors must have 0 <= low <= high, got {low} and {high}")
        self.low, self.high = low, high

    def __call__(self, image: Picture) -> Picture:
        """Return the image with its colours scaled."""
        factors = self.draw()
        return _change_pixels(image, lambda pixels: scale_hsv(pixels, factors))

    def draw(self) -> np.ndarray:
        """Return the three factors of an image."""
        return torch.empty(3).uniform_(self.low, self.high).numpy()


def scale_hsv(pixels: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return RGB pixels (uint8, H W 3) with hue, saturation and value scaled by three factors."""
    width = pixels.shape[1]  # a row at a time is faster than a channel at a time
    hsv: np.ndarray = cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_RGB2HSV)
    np.multiply(hsv, np.tile(factors, (width, 1)), out=hsv)
    np.minimum(hsv, np.tile(LARGEST_HSV, (width, 1)), out=hsv)
    return cv2.convertScaleAbs(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))  # rounds


@TRANSFORMS.register_module()
class PCANoise:
    """Shift the colour of the whole image along the principal components of ImageNet's colours.

    Source: Krizhevsky et al., "ImageNet Classification with Deep CNNs" (2012), sec. 4.1.  The
    shift is the same for every pixel; it is rounded to whole levels, sums are clipped to 0 to 255.

    Args:
        std: Standard deviation of the random factor of each component; the paper's is 0.1.
    """

    # RGB, 0 to 255; MXNet's image.CreateAugmenter, which the paper's code uses (its raw-image
    # loader has the same numbers divided by 255).
    eigenvalues = np.array([55.46, 4.794, 1.148])
    eigenvectors = np.array(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    )

    def __init__(self, std: float = 0.1) -> None:
        if std < 0:
            raise ValueError(f"std must be 0 or more, got {std}")
        self.std = std

    def __call__(self, image: Picture) -> Picture:
        """Return the image with its colours shifted."""
        levels = np.zeros(4)  # so long are OpenCV's scalars
        levels[:3] = np.rint(self.draw())
        return _change_pixels(image, lambda pixels: shift_levels(pixels, levels))

    def draw(self) -> np.ndarray:
        """Return the shift of an image's red, green and blue, in levels."""
        shift: np.ndarray = self.eigenvalues * torch.randn(3).numpy() * self.std
        return self.eigenvectors @ shift


def shift_levels(pixels: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return RGB pixels (uint8, H W 3) plus whole levels, three and a 0; clipped to 0 to 255.

    Where no level is negative, their negatives are subtracted: with a scalar without negative parts
    OpenCV 4.12 takes 17 times as long, in either direction.
    """
    if not levels.any():
        return pixels.copy()
    return cv2.add(pixels, levels) if levels.min() < 0 else cv2.subtract(pixels, -levels)


def _change_pixels(image: Picture, change: Callable[[np.ndarray], np.ndarray]) -> Picture:
    """Apply a function of pixels H W 3."""
    if isinstance(image, Image.Image):
        return Image.fromarray(change(np.asarray(image)))
    if image.dtype != torch.uint8:
        raise TypeError(f"colours are changed in uint8 tensors C H W, got {image.dtype}")
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    return torch.from_numpy(change(pixels)).permute(2, 0, 1)
