"""Mixup: train on weighted sums of two images and of their targets.

Source: arXiv:1812.01187, sec. 5.4, after Zhang et al., arXiv:1710.09412.
Letters: B batch, C channels, H W pixels, K classes.
"""

import math
import random
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from mmengine.logging import MessageHub
from torch import Tensor

__all__ = ["draw_lambda", "epochs_left", "mixup", "reversed_order", "rng_of_step"]


def draw_lambda(alpha: float, rng: random.Random) -> float:
    """Draw the weight of the first image of each pair from Beta(alpha, alpha).

    The whole batch gets one weight, as in the paper's code (GluonCV train_imagenet.py).

    Args:
        alpha: Above 0.  The paper takes 0.2: most draws lie near 0 or 1.  1 is uniform.
        rng: Source of randomness.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: If ``alpha`` is not above 0.
    """
    if not alpha > 0:
        raise ValueError(f"mixup's alpha must be above 0, got {alpha}")
    return rng.betavariate(alpha, alpha)


def mixup(
    inputs: Float[Tensor, "B C H W"],
    targets: Float[Tensor, "B K"],
    lam: float,
    permutation: Int[Tensor, " B"],
) -> tuple[Float[Tensor, "B C H W"], Float[Tensor, "B K"]]:
    """Mix row i with row ``permutation[i]``: ``lam`` of the first, ``1 - lam`` of the second.

    Args:
        inputs: Images, normalised or not: the weights sum to 1, so the order does not matter.
        targets: One-hot or smoothed rows.
        lam: In [0, 1]; 1 changes nothing.
        permutation: Index of each row's partner.

    Returns:
        New images and targets; the arguments are left as they are.
    """
    return (
        torch.lerp(inputs[permutation], inputs, lam),
        torch.lerp(targets[permutation], targets, lam),
    )


def reversed_order(batch_size: int, device: torch.device) -> Int[Tensor, " B"]:
    """Pair the first row with the last, and so on (GluonCV's choice; batches are shuffled)."""
    return torch.arange(batch_size - 1, -1, -1, device=device)


def epochs_left() -> float:
    """Return the number of epochs of the current run that are not over, this one included.

    It is infinite without a run.  An iteration-based loop counts as one long epoch.
    """
    run = _current_run()
    return float(run["max_epochs"] - run["epoch"]) if run else math.inf


def rng_of_step() -> random.Random:
    """Return the source of randomness of the current run's next step, from (seed, iteration).

    All processes get the same, so a batch that they share is mixed by one weight.  Iterations are
    counted over all epochs.  Without a run the source is seeded by torch's CPU generator.
    """
    run = _current_run()
    if not run:
        return random.Random(int(torch.randint(2**62, ())))
    seed, iteration = run["seed"], run["iter"]
    if draws := run.get("draws"):  # see bag_of_transfer.engine.loop.draws.note_draws
        seed, iteration = draws["seed"], iteration % draws["num_iters"]
    return random.Random(f"mixup {seed} {iteration}")


def _current_run() -> Mapping[str, Any]:
    """Return what the training that is under way notes in mmengine's MessageHub; {} without one.

    When it has ended, all of it stays there but ``loop_stage``.
    """
    noted: Mapping[str, Any] = MessageHub.get_current_instance().runtime_info
    return noted if noted.get("loop_stage") == "train" else {}
