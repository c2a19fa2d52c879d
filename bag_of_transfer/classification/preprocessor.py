"""Turn the loader's bytes into the network's floats.

Letters: B batch, C channels, H W pixels.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from mmengine.model import BaseDataPreprocessor
from mmengine.registry import MODELS

from bag_of_transfer.classification.colours import COLOURS, change_colours

__all__ = ["ClassificationPreprocessor"]


@MODELS.register_module()
class ClassificationPreprocessor(BaseDataPreprocessor):
    """Move a batch to the device as bytes and normalise it there: ``(x - mean) / std``.

    If the data set has left the colours to the device, they are changed before.
    ``channel_order``, which the backbone's card gets, is that of :class:`ImageFolder`; a class
    that swaps channels states its own.

    Args:
        mean: Per channel, RGB, 0 to 255.
        std: Per channel, RGB, 0 to 255.
        non_blocking: Whether not to wait for the copy to the device.
    """

    channel_order: ClassVar[str] = "RGB"
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], non_blocking: bool = False
    ) -> None:
        super().__init__(non_blocking)
        for name, values in (("mean", mean), ("std", std)):
            per_channel = torch.tensor(values, dtype=torch.float32)[:, None, None]
            # Not in checkpoints: the config has them, and a backbone does not need them.
            self.register_buffer(name, per_channel, persistent=False)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return ``data`` with ``inputs`` B C H W as normalised float32.

        Raises:
            ValueError: If ``inputs`` is not one uint8 tensor B C H W.
        """
        data = dict(self.cast_data(data))
        inputs = data["inputs"]
        if not torch.is_tensor(inputs) or inputs.dtype != torch.uint8 or inputs.ndim != 4:
            raise ValueError(
                f"inputs must be one uint8 tensor B C H W, got {_describe(inputs)}: end the "
                "pipeline in torchvision/PILToTensor, give all images one size, and let the "
                "dataloader have collate_fn=dict(type='default_collate')"
            )
        floats = change_colours(inputs.float(), data.pop(COLOURS, {}))
        data["inputs"] = floats.sub_(self.mean).div_(self.std)
        return data


def _describe(inputs: Any) -> str:
    if torch.is_tensor(inputs):
        return f"{inputs.dtype} of shape {tuple(inputs.shape)}"
    return f"a {type(inputs).__name__}"
