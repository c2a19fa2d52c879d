"""Change the colours of a whole batch on its device, as HSVScale and PCANoise do image by image.

The numbers are drawn where the image is read, as always, so that they follow from (seed, epoch,
index); they travel with the image, and the preprocessor applies them.  It computes in floating
point and rounds nowhere.  Letters: B batch, H W pixels.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms import Compose, v2

from bag_of_transfer.classification.transforms import HSVScale, PCANoise, Transform
from bag_of_transfer.engine.errors import UserError

__all__ = ["COLOURS", "ColourStep", "change_colours", "colour_steps", "draw_colours"]

ColourStep = HSVScale | PCANoise
COLOURS = "colours"  # of an item: the numbers that were drawn for it
FACTORS, SHIFT = "factors", "shift"
NAMES = {HSVScale: FACTORS, PCANoise: SHIFT}  # in the order in which they are applied


def colour_steps(pipeline: Compose) -> tuple[Transform, Sequence[ColourStep]]:
    """Take the steps that change colours out of a pipeline.

    Args:
        pipeline: Of :func:`bag_of_transfer.classification.transforms.build_pipeline`.

    Returns:
        The pipeline without them, and the steps.

    Raises:
        UserError: If there are none, or they are not the last ones before PILToTensor.  In
            another place they would draw other numbers or see other pixels.
    """
    steps = pipeline.transforms
    found = [step for step in steps if isinstance(step, ColourStep)]
    kinds = [kind for kind in NAMES if any(isinstance(step, kind) for step in found)]
    last = len(steps) - 1
    if (
        not found
        or [type(step) for step in found] != kinds
        or steps[last - len(found) : last] != found
        or not isinstance(steps[last], v2.PILToTensor)
    ):
        names = ", ".join(type(step).__name__ for step in steps)
        mend = "end it in HSVScale, PCANoise (or one of both), torchvision/PILToTensor"
        raise UserError(f"colours_on_device does not fit the pipeline {names}", "pipeline", mend)
    return Compose([*steps[: last - len(found)], steps[last]]), found


def draw_colours(steps: Sequence[ColourStep]) -> dict[str, Tensor]:
    """Draw the numbers of one image, as the steps would."""
    return {NAMES[type(step)]: torch.from_numpy(step.draw()) for step in steps}


def change_colours(
    inputs: Float[Tensor, "B 3 H W"], colours: Mapping[str, Float[Tensor, "B 3"]]
) -> Float[Tensor, "B 3 H W"]:
    """Return RGB images (0 to 255) with colours scaled and shifted.

    Args:
        inputs: Images; they may be overwritten.
        colours: Of :func:`draw_colours`, one row per image.
    """
    if FACTORS in colours:
        inputs = _scaled(inputs, colours[FACTORS].float()[:, :, None, None])
    if SHIFT in colours:
        inputs = inputs.add_(colours[SHIFT].float()[:, :, None, None]).clamp_(0, 255)
    return inputs


def _scaled(inputs: Tensor, factors: Tensor) -> Tensor:
    """Scale hue (in sixths of a turn: red is at 0, green at 2, blue at 4), saturation, value."""
    red, green, blue = inputs.unbind(1)
    low, value = torch.aminmax(inputs, dim=1)
    chroma = value - low
    divisor = chroma.clamp_min(1)  # pixels are whole numbers
    hue = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    hue = torch.where(hue < 0, hue + 6, hue).mul_(factors[:, 0]).remainder_(6)
    saturation = chroma.div_(value.clamp_min(1)).mul_(factors[:, 1]).clamp_max_(1)
    value = value.mul_(factors[:, 2]).clamp_max_(255)
    chroma = saturation.mul_(value)
    low = value - chroma
    shares = (hue - 3).abs_().sub_(1), 2 - (hue - 2).abs_(), 2 - (hue - 4).abs_()
    return torch.stack([share.clamp_(0, 1).mul_(chroma).add_(low) for share in shares], dim=1)
