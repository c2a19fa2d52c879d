"""From an image's bytes to the network's floats, inside of the ONNX file.

Letters: B batch, C channels, H W pixels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Preparation", "size_of"]


class Preparation(nn.Module):
    """Normalise as the network's own preprocessor does, and pad at the right and at the bottom.

    Args:
        preprocessor: The network's, which holds ``mean`` and ``std`` if it normalises.
        wants_bgr: Whether the network takes BGR; images come as RGB.
        divisor: Height and width become multiples of it.
        value: What the network sees in the padding.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, preprocessor: nn.Module, wants_bgr: bool, divisor: int = 1, value: float = 0.0
    ) -> None:
        super().__init__()
        self.wants_bgr, self.divisor, self.value = wants_bgr, divisor, value
        buffers = dict(preprocessor.named_buffers())
        self.register_buffer("mean", buffers.get("mean", torch.zeros(1, 1, 1)))
        self.register_buffer("std", buffers.get("std", torch.ones(1, 1, 1)))

    def forward(self, image: Tensor) -> Tensor:
        """Return B C H W as floats, H and W padded.

        Args:
            image: uint8, B C H W, RGB.
        """
        floats = (image.flip(1) if self.wants_bgr else image).float()
        floats = (floats - self.mean) / self.std
        if self.divisor == 1:
            return floats
        height, width = floats.shape[-2:]
        right, below = -width % self.divisor, -height % self.divisor
        return functional.pad(floats, (0, right, 0, below), value=self.value)


def size_of(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return H and W as tensors, which a trace keeps as functions of the image."""
    height, width = (torch.as_tensor(length) for length in image.shape[-2:])
    return height, width
