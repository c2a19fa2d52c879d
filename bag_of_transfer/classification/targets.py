"""Soft targets: label smoothing, and cross-entropy with soft targets.

Source: arXiv:1812.01187, sec. 5.2 (label smoothing).  Letters: B batch, K classes.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["FORMS", "smooth_one_hot", "soft_cross_entropy"]

# paper: arXiv:1812.01187, eq. 4; uniform: the paper's own code (GluonCV train_imagenet.py,
# ``smooth``) and F.cross_entropy(label_smoothing=eps).
FORMS = ("paper", "uniform")


def smooth_one_hot(
    labels: Int[Tensor, " B"], num_classes: int, eps: float, form: str = "paper"
) -> Float[Tensor, "B K"]:
    """Move ``eps`` of the target's mass from the true class to the others.

    Form ``paper``: the true class gets ``1 - eps``, each of the K - 1 others ``eps / (K - 1)``.
    Form ``uniform``: ``eps`` is spread over all K, so the true class gets ``1 - eps + eps / K``.
    The two agree when ``eps_paper == eps_uniform * (K - 1) / K``.

    Args:
        labels: True classes, each in [0, K).
        num_classes: K, at least 2 unless ``eps`` is 0.
        eps: In [0, 1); 0 gives one-hot targets.  The paper takes 0.1.
        form: ``paper`` or ``uniform``.

    Returns:
        float32 rows that sum to 1, on the device of ``labels``.

    Raises:
        ValueError: If ``eps`` or ``form`` is not one of these, or there is only one class.
    """
    if not 0 <= eps < 1:
        raise ValueError(f"label smoothing's eps must be in [0, 1), got {eps}")
    if form not in FORMS:
        raise ValueError(f"label smoothing's form must be one of {FORMS}, got {form!r}")
    if eps and num_classes < 2:
        raise ValueError(f"label smoothing needs two classes or more, got {num_classes}")
    off = eps / num_classes if form == "uniform" else eps / max(num_classes - 1, 1)
    on = 1 - eps + off if form == "uniform" else 1 - eps
    targets = torch.full((len(labels), num_classes), off, device=labels.device)
    return targets.scatter_(1, labels[:, None], on)


def soft_cross_entropy(
    logits: Float[Tensor, "B K"], targets: Float[Tensor, "B K"]
) -> Float[Tensor, ""]:
    """Average ``-sum_k targets_k log softmax(logits)_k`` over the batch, in float32.

    With one-hot targets it is the usual cross-entropy.
    """
    # bf16 has 8 bits of mantissa: too few for the log of a small probability.
    return -(targets * logits.float().log_softmax(1)).sum(1).mean()
