"""Check that two networks compute the same in every stage, also with random weights.

Trained weights alone would hide mistakes, for instance if a gamma is near 0 or two tensors are
alike.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from bag_of_transfer.engine.errors import UserError

__all__ = ["check_same_features", "fill", "maps_of", "same_map", "stage_maps"]

# The sides are odd and unequal, to show mistakes in rounding and exchanged sides.
IMAGE_PX = (65, 97)
# Relative to the largest value of a stage; the order of sums differs between kernels.
TOLERANCE = 1e-4


def fill(state: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Return a state dict with new random values in each tensor, including running statistics.

    Weights are divided by the root of their fan-in, so that the features of deep networks neither
    vanish nor overflow; vectors are between 0.5 and 1.5; counters are 0.
    """
    rng = torch.Generator().manual_seed(seed)
    filled = {}
    for name, tensor in state.items():
        noise = torch.rand(tensor.shape, generator=rng)
        if not tensor.is_floating_point():
            filled[name] = torch.zeros_like(tensor)
        elif tensor.ndim < 2:
            filled[name] = noise + 0.5
        else:
            filled[name] = (noise - 0.5) * 3 / tensor[0].numel() ** 0.5
    return filled


def stage_maps(network: nn.Module, images: Tensor) -> list[Tensor]:
    """Run a network and return the outputs of ``layer1`` to ``layer4``."""
    return maps_of(network, [f"layer{number}" for number in (1, 2, 3, 4)], images)


def maps_of(network: nn.Module, modules: Sequence[str], images: Tensor) -> list[Tensor]:
    """Run a network and return the outputs of some of its modules.

    Args:
        network: Any network; it is in evaluation mode afterwards.
        modules: Their names in the network; each is called once.
        images: What the network reads.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: outputs.update({name: output})

    hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in modules]
    try:
        with torch.no_grad():
            network.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
    return [outputs[name] for name in modules]


def check_same_features(
    ours: nn.Module,
    theirs: nn.Module,
    convert: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
    where: object,
) -> None:
    """Check that four stages compute the same, with the weights of ``theirs`` and random ones.

    Afterwards both networks have random weights.

    Args:
        ours: One of our ResNets.
        theirs: The network of the source's library, with its weights.
        convert: The conversion to check: turns a state dict of ``theirs`` into one of ``ours``.
        where: The source, for the error.

    Raises:
        UserError: If a stage differs.
    """
    rng = torch.Generator().manual_seed(1)
    images = torch.rand(1, getattr(ours, "in_channels", 3), *IMAGE_PX, generator=rng) - 0.5
    for filled in (False, True):
        if filled:
            theirs.load_state_dict(fill(theirs.state_dict()))
        # Strict except for num_batches_tracked, which a plain dict may lack.
        ours.load_state_dict(dict(convert(theirs.state_dict())))
        pairs = zip(stage_maps(ours, images), stage_maps(theirs, images), strict=True)
        for number, (a, b) in enumerate(pairs, start=1):
            _compare(a, b, number, where)


def same_map(a: Tensor, b: Tensor) -> bool:
    """Return whether two maps have the same shape and, within a tolerance, the same values."""
    return a.shape == b.shape and bool(((a - b).abs().max() <= TOLERANCE * b.abs().max()).item())


def _compare(a: Tensor, b: Tensor, number: int, where: object) -> None:
    if not same_map(a, b):
        raise UserError(
            f"all tensors fit, but stage {number} computes other features than the source's",
            where,
            "the source is not a plain ResNet-A, -B, -C or -D (pooling, activation): use another",
        )
