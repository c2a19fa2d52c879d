"""Adapt weights that read three channels to images with another number of channels.

Source of the rule: timm, ``timm.models._manipulate.adapt_input_conv`` and ``timm.data.config``.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["adapt_first_convolution", "adapt_images"]


def adapt_first_convolution(weight: Tensor, num: int, channel_order: str = "RGB") -> Tensor:
    """Return the first convolution's weight for ``num`` channels, red first.

    For one channel the three are summed; for more they are repeated in turn and scaled by 3 / num,
    so that the sum over equal channels stays the same.

    Args:
        weight: The weight for three channels, O 3 H W.
        num: Number of channels.
        channel_order: Order of the channels in ``weight``.

    Returns:
        The new weight, O num H W.
    """
    if num == 3:
        return weight
    rgb = weight.flip(1) if channel_order == "BGR" else weight
    if num == 1:
        return rgb.sum(dim=1, keepdim=True)
    return torch.cat([rgb] * -(-num // 3), dim=1)[:, :num].contiguous() * (3 / num)


def adapt_images(fields: Mapping[str, Any], num: int) -> dict[str, Any]:
    """Return a card's fields for images of ``num`` channels.

    One channel gets the averages of the three means and stds; of more channels, each gets those of
    the channel that its weights were copied from.  Images with another number of channels than
    three are read as they are stored, so the order is RGB.
    """
    if num == 3:
        return dict(fields)
    step = -1 if fields["channel_order"] == "BGR" else 1
    rgb = {name: fields[name][::step] for name in ("mean", "std")}
    images = {
        name: [round(sum(values) / 3, 6)] if num == 1 else [values[i % 3] for i in range(num)]
        for name, values in rgb.items()
    }
    note = f"first convolution from 3 to {num} channels by timm's rule"
    source = f"{fields['source']}; {note}"
    return {**fields, **images, "channel_order": "RGB", "in_channels": num, "source": source}
